// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { EgressRule, RuleSet } from '@sallyport/access'
import { relaysOf } from './relays.ts'

const rule = (name: string, [first, last]: readonly [number, number], changes: Partial<EgressRule> = {}): EgressRule => ({
  origin: { source: 'sallyport.yml', line: 1, column: 1, text: name },
  to: { kind: 'name', pattern: { kind: 'exact', name } },
  ports: [{ first, last }],
  protocol: 'udp',
  http: null,
  serverName: 'required',
  executables: null,
  budget: { bytesOut: null, bytesIn: null, bytesPerSecond: null },
  ...changes,
})
const set = (author: RuleSet['author'], ...rules: EgressRule[]): RuleSet => ({ author, source: 'x', rules, observes: false, place: 'x' })

test('each name and port of a UDP rule that was asked for has a relay, once', () => {
  const sets = [
    set('request', rule('a.test', [53, 53]), rule('a.test', [53, 54]), rule('b.test', [443, 443], { protocol: 'tls' })),
    set('ceiling', rule('c.test', [1, 65_535])),
  ]
  assert.deepEqual(relaysOf(sets), [
    { index: 0, name: 'a.test', port: 53 },
    { index: 1, name: 'a.test', port: 54 },
  ])
})

test('more destinations than there are relays are refused, however wide the range', () => {
  assert.equal(relaysOf([set('request', rule('a.test', [1, 8]))]).length, 8)
  assert.throws(() => relaysOf([set('request', rule('a.test', [1, 65_535]))]), { code: 'SANDBOX_INPUT' })
})

test('a name below a suffix and an address have no relay', () => {
  const suffix = rule('a.test', [53, 53], { to: { kind: 'name', pattern: { kind: 'suffix', name: 'a.test' } } })
  const network = rule('a.test', [53, 53], { to: { kind: 'network', cidr: '203.0.113.0/24' } })
  assert.deepEqual(relaysOf([set('request', suffix, network)]), [])
})
