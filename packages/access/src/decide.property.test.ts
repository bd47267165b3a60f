// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { asks, named } from './_world.ts'
import type { EgressRule, HttpCondition, Protocol, RequestFacts, RuleSet } from './contract.ts'
import { decideConnection, decideName, decideRequest, narrowToProtocol } from './decide.ts'
import { intersectNames, isFlaw, matchesName } from './host-pattern.ts'
import { parsePathPattern } from './path-pattern.ts'
import { effectiveTerminates } from './rule-sets.ts'

const label = fc.constantFrom('a', 'b', 'evil', 'example', 'test', 'evilexample')
const name = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.'))
const pattern = fc.record({ kind: fc.constantFrom('exact' as const, 'suffix' as const), name })
const port = fc.constantFrom(22, 80, 443, 8080)
const protocol = fc.constantFrom<Protocol>('tls', 'http', 'ssh', 'tcp')

const http = fc.record({
  methods: fc.option(fc.subarray(['GET', 'POST'], { minLength: 1 })),
  paths: fc.option(fc.subarray(['/a', '/a/*', '/**', '/b/{x}/c'], { minLength: 1 }).map((texts) => texts.map(patternOf))),
  graphql: fc.boolean(),
  websocket: fc.boolean(),
}) satisfies fc.Arbitrary<HttpCondition>

function patternOf(text: string): Exclude<ReturnType<typeof parsePathPattern>, { message: string }> {
  const parsed = parsePathPattern(text)
  if (isFlaw(parsed)) throw new Error(parsed.message)
  return parsed
}

const rule = fc
  .record({
    pattern,
    ports: fc.tuple(port, port),
    protocol,
    http: fc.option(http),
    executables: fc.option(fc.constant(['/usr/bin/git']), { freq: 3 }),
    any: fc.boolean(),
  })
  .map(
    ({ pattern: of, ports, protocol: spoken, http: condition, executables, any }): EgressRule => ({
      origin: { source: 'f', line: 1, column: 1, text: 'r' },
      to: { kind: 'name', pattern: of },
      ports: [{ first: Math.min(...ports), last: Math.max(...ports) }],
      protocol: spoken,
      http: spoken === 'tls' || spoken === 'http' ? condition : null,
      serverName: any && condition === null ? 'any' : 'required',
      executables,
      budget: { bytesOut: null, bytesIn: null, bytesPerSecond: null },
    }),
  )
const set = fc
  .array(rule, { maxLength: 6 })
  .map((rules): RuleSet => ({ author: 'request', source: 'f', rules, observes: false, place: 'egress' }))
const executable = fc.constantFrom(null, '/usr/bin/git', '/usr/bin/curl')
const target = fc.record({ name, port, executable }).map((of) => named(of.name, of.port, { executable: of.executable }))
const facts = fc
  .record({
    target,
    protocol: fc.constantFrom('tls' as const, 'http' as const),
    method: fc.constantFrom('GET', 'POST', 'PUT', 'CONNECT'),
    path: fc.constantFrom('/a', '/a/b', '/b/x/c', '/', '/a%2Fb'),
    upgrade: fc.constantFrom(null, 'websocket' as const),
    graphql: fc.boolean(),
  })
  .map(({ path, method, ...more }): RequestFacts => asks(method, `https://x.test${path}`, more))

const runs = { numRuns: 3000 }

describe('two sets of rules', () => {
  it('never allow a name that one of them refuses, and refuse none that both allow', () => {
    fc.assert(
      fc.property(set, set, name, (one, other, asked) => {
        const both = decideName([one, other], asked).allowed
        assert.equal(both, decideName([one], asked).allowed && decideName([other], asked).allowed)
      }),
      runs,
    )
  })

  it('never allow a connection or a protocol that one of them refuses', () => {
    fc.assert(
      fc.property(set, set, target, (one, other, to) => {
        const both = decideConnection([one, other], to)
        const [left, right] = [decideConnection([one], to), decideConnection([other], to)]
        if (!both.allowed) return
        assert.ok(left.allowed && right.allowed)
        for (const spoken of ['tls', 'http', 'ssh', 'tcp'] as const) {
          const speaks: boolean = narrowToProtocol(both, spoken).allowed
          assert.equal(speaks, narrowToProtocol(left, spoken).allowed && narrowToProtocol(right, spoken).allowed)
        }
        if (both.protocols.includes('tls')) assert.equal(both.terminates, left.terminates || right.terminates)
        if (both.serverName === 'any') assert.ok(left.serverName === 'any' && right.serverName === 'any')
      }),
      runs,
    )
  })

  it('never allow a request that one of them refuses, and refuse none that both allow', () => {
    fc.assert(
      fc.property(set, set, facts, (one, other, asked) => {
        const both = decideRequest([one, other], asked).allowed
        assert.equal(both, decideRequest([one], asked).allowed && decideRequest([other], asked).allowed)
      }),
      runs,
    )
  })

  it('allow no request over a connection that they refuse', () => {
    fc.assert(
      fc.property(fc.array(set, { minLength: 1, maxLength: 3 }), facts, (sets, asked) => {
        if (!decideRequest(sets, asked).allowed) return
        const connection = decideConnection(sets, asked.target)
        assert.ok(connection.allowed && narrowToProtocol(connection, asked.protocol).allowed)
      }),
      runs,
    )
  })

  it('leave no request unlooked at that one of them may refuse', () => {
    fc.assert(
      fc.property(fc.array(set, { minLength: 1, maxLength: 3 }), facts, (sets, asked) => {
        const connection = decideConnection(sets, asked.target)
        if (!connection.allowed || connection.terminates || !connection.protocols.includes('tls')) return
        const overTls: RequestFacts = { ...asked, protocol: 'tls', method: 'GET' }
        assert.ok(decideRequest(sets, overTls).allowed)
      }),
      runs,
    )
  })

  it('terminate TLS only for names that the authority is made for', () => {
    fc.assert(
      fc.property(fc.array(set, { minLength: 1, maxLength: 3 }), target, (sets, to) => {
        const connection = decideConnection(sets, to)
        if (!connection.allowed || !connection.terminates) return
        assert.ok(effectiveTerminates([sets]).some((one) => matchesName(one, to.name ?? '')))
      }),
      runs,
    )
  })
})

describe('a rule that names a program', () => {
  it('only narrows: taking the names of programs away takes nothing else away', () => {
    fc.assert(
      fc.property(set, facts, (one, asked) => {
        const open = { ...one, rules: one.rules.map((each) => ({ ...each, executables: null })) }
        if (decideConnection([one], asked.target).allowed) assert.ok(decideConnection([open], asked.target).allowed)
        if (decideRequest([one], asked).allowed) assert.ok(decideRequest([open], asked).allowed)
      }),
      runs,
    )
  })
})

describe('a pattern for names', () => {
  it('with a star matches neither the name itself nor one that only ends like it', () => {
    fc.assert(
      fc.property(name, label, (base, before) => {
        const suffix = { kind: 'suffix', name: base } as const
        assert.ok(!matchesName(suffix, base))
        assert.ok(!matchesName(suffix, `${before}${base}`))
        assert.ok(!matchesName(suffix, `.${base}`))
        assert.ok(!matchesName(suffix, `${base}.${before}`) || `${base}.${before}`.endsWith(`.${base}`))
        assert.ok(matchesName(suffix, `${before}.${base}`))
        assert.ok(matchesName(suffix, `${before}.x.${base}`))
      }),
      runs,
    )
  })

  it('shares with another exactly the names that both match', () => {
    fc.assert(
      fc.property(pattern, pattern, name, (left, right, asked) => {
        const shared = intersectNames(left, right)
        assert.equal(shared !== null && matchesName(shared, asked), matchesName(left, asked) && matchesName(right, asked))
      }),
      runs,
    )
  })
})
