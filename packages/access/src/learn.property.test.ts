// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { type AccessFile, entriesOf, mapEntries, parseAccessFile } from './access-file.ts'
import type { DoorUse, EgressRule } from './contract.ts'
import { rulesOf } from './egress-entry.ts'
import { learn } from './learn.ts'
import type { Recording } from './recording.ts'
import { replay } from './replay.ts'

const segment = fc.constantFrom(
  'a',
  'b',
  'c',
  'd',
  '1',
  '2',
  '3',
  'graphql',
  'graphql.json',
  'v1%2Fgraphql',
  '@s%2Fn',
  'x*y',
  '**',
  '%7B1%7D',
  'a,b',
  "it's",
  'a:b',
  '%C3%A9',
)
const path = fc
  .tuple(fc.array(segment, { maxLength: 4 }), fc.boolean())
  .map(([segments, isDirectory]) => `/${segments.join('/')}${isDirectory && segments.length > 0 ? '/' : ''}`)
const request = fc.record({
  method: fc.constantFrom('GET', 'HEAD', 'POST', 'OPTIONS'),
  path: fc.oneof({ weight: 20, arbitrary: path }, { weight: 1, arbitrary: fc.constant('*') }),
  count: fc.constant(1),
  graphql: fc.oneof({ weight: 9, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
  websocket: fc.oneof({ weight: 9, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
})
const door = fc.constantFrom(
  ...([
    'a.test:443/tls',
    'a.test:8443/tls',
    'a.test:80/http',
    'a.test:8080/http',
    'a.test:8080/tcp',
    'a.test:8081/tcp',
    'a.test:443/tcp',
  ] as const),
  ...([
    'b.test:443/tls',
    'b.test:22/ssh',
    'b.test:2222/ssh',
    'b.test:53/udp',
    '192.0.2.1:443/tls',
    '192.0.2.1:80/http',
    '1e5:443/tls',
    'null:80/http',
  ] as const),
)

const use = fc
  .record({ door, requests: fc.array(request, { maxLength: 8 }), bytesOut: fc.constantFrom(0, 10, 5000) })
  .map(({ door: text, requests, bytesOut }): DoorUse => {
    const [, host = '', port = '', protocol = ''] = /^(.*):(\d+)\/(\w+)$/.exec(text) ?? []
    const isHttp = protocol === 'tls' || protocol === 'http'
    const seen = requests.filter((one) => one.path !== '*' || one.method === 'OPTIONS')
    return {
      host,
      port: Number(port),
      protocol: protocol as DoorUse['protocol'],
      rule: null,
      connections: 1,
      bytesOut,
      bytesIn: 10,
      requests: isHttp ? seen : [],
      requestsMore: 0,
    }
  })

const recordings = fc.array(
  fc.record({
    run: fc.constantFrom('r1', 'r2'),
    workflow: fc.constant('ci.yml'),
    job: fc.constantFrom('build', 'true'),
    step: fc.constantFrom(null, 'one', 'two'),
    uses: fc.array(use, { maxLength: 4 }),
  }),
  { maxLength: 4 },
) satisfies fc.Arbitrary<Recording[]>

/** The file without the rules of one place. */
function without(file: AccessFile, { origin }: EgressRule): AccessFile {
  const isKept = (rule: EgressRule): boolean => rule.origin.line !== origin.line || rule.origin.column !== origin.column
  return mapEntries(file, (entries) => entries.filter((entry) => entry.kind === 'rule' && isKept(entry.rule)))
}

describe('a file learned from any recordings', () => {
  it('is a valid file that suffices for them, uses every rule, and without any one of its rules does not suffice', async () => {
    await fc.assert(
      fc.asyncProperty(recordings, async (recorded) => {
        const text = learn(recorded)
        const file = await parseAccessFile('sallyport.yml', text)
        const whole = replay(file, recorded)
        assert.deepEqual(whole.missing, [], text)
        assert.deepEqual(whole.unused, [], text)
        for (const rule of rulesOf(entriesOf(file)))
          assert.equal(replay(without(file, rule), recorded).sufficient, false, `${rule.origin.line}\n${text}`)
      }),
      { numRuns: 300 },
    )
  })

  it('has no rule of its own for a path of GraphQL that another rule opens for another request’s sake', async () => {
    const ask = (path: string, flags: { readonly graphql?: boolean; readonly websocket?: boolean } = {}) => ({
      method: 'OPTIONS',
      path,
      count: 1,
      graphql: false,
      websocket: false,
      ...flags,
    })
    const requests = [
      ask('/a', { websocket: true }),
      ask('/graphql.json'),
      ask('/%7B1%7D', { websocket: true }),
      ask('/2', { graphql: true }),
    ]
    const door = { host: 'a.test', port: 443, protocol: 'tls', rule: null, connections: 1, bytesOut: 0, bytesIn: 10 } as const
    const recorded = [{ run: 'r1', workflow: 'ci.yml', job: 'build', step: null, uses: [{ ...door, requests, requestsMore: 0 }] }]
    const { missing, unused } = replay(await parseAccessFile('sallyport.yml', learn(recorded)), recorded)
    assert.deepEqual([missing, unused], [[], []])
  })

  it('is the same in whatever order they come', () => {
    fc.assert(
      fc.property(recordings, (recorded) => {
        assert.equal(learn(recorded.toReversed().map((one) => ({ ...one, uses: one.uses.toReversed() }))), learn(recorded))
      }),
      { numRuns: 300 },
    )
  })
})
