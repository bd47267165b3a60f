// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { addressed, asks, ceiling, named, request } from './_world.ts'
import type { ConnectionDecision, Decision, Refusal, RuleSet } from './contract.ts'
import { decideConnection, decideName, decideRequest, narrowToProtocol } from './decide.ts'

function refusalOf(decision: Decision | ConnectionDecision): Refusal {
  assert.ok(!decision.allowed, 'it was allowed')
  return decision.refusal
}

function allowed(decision: ConnectionDecision): ConnectionDecision & { readonly allowed: true } {
  assert.ok(decision.allowed, decision.allowed ? '' : decision.refusal.reason)
  return decision
}

const observing = (set: RuleSet): RuleSet => ({ ...set, observes: true })

describe('a name', () => {
  it('may be looked up when every set has a rule for it, on any port', async () => {
    const sets = [await request('registry.example.test:8443'), await ceiling('"*.example.test"')]
    const decision = decideName(sets, 'registry.example.test')
    assert.ok(decision.allowed)
    assert.equal(decision.rule?.origin.text, 'registry.example.test:8443')
    assert.equal(refusalOf(decideName(sets, 'other.example.test')).code, 'no-rule')
    assert.equal(refusalOf(decideName([await request('other.test'), await ceiling('"*.example.test"')], 'other.test')).code, 'ceiling')
  })

  it('is refused with the line that would allow it, and where', async () => {
    assert.deepEqual(refusalOf(decideName([await request('"*.example.test"')], 'example.test')), {
      code: 'no-rule',
      target: 'example.test',
      reason: '*.example.test is all names below example.test, and not that name itself',
      rule: 'sallyport.yml:5',
      remedy: 'add `- example.test:443` to `jobs.build.egress` in sallyport.yml',
    })
    const exec: RuleSet = { ...(await request()), source: '--allow' }
    assert.equal(refusalOf(decideName([exec], 'example.test')).remedy, 'add --allow example.test:443')
    const operator = refusalOf(decideName([await request('a.test'), await ceiling()], 'a.test'))
    assert.equal(operator.remedy, 'ask the operator to add `- a.test:443` to `egress.allow` in /etc/sallyport/config.yml')
  })

  it('is refused without a line to add where no rule could have it, such as that of a service', async () => {
    assert.equal(refusalOf(decideName([await request()], '_https._tcp.example.test')).remedy, null)
  })

  it('is in no network: what its address will be is not known', async () => {
    assert.equal(refusalOf(decideName([await request('{ cidr: 0.0.0.0/0 }')], 'example.test')).code, 'no-rule')
  })

  it('is refused in every spelling but the normal one', async () => {
    const sets = [await request('example.test', '"*.example.test"')]
    for (const name of [
      'EXAMPLE.test',
      'example.test.',
      'a.example.test.',
      '.example.test',
      'aexample.test',
      'xexample.test',
      'example.test.evil.test',
      '',
    ]) {
      assert.ok(!decideName(sets, name).allowed, name)
    }
  })

  it('that a job made up does not get into a terminal', async () => {
    const { target, reason } = refusalOf(decideName([await request()], `\u001b[2J\u202e${'a'.repeat(5000)}`))
    assert.ok(target.length <= 200 && reason.length < 300)
    assert.doesNotMatch(target + reason, /[\u001b\u202e]/)
  })
})

describe('a connection', () => {
  it('is refused where there is no rule at all, and where there is no set that could allow it', async () => {
    assert.equal(refusalOf(decideConnection([await request()], named('example.test'))).code, 'no-rule')
    assert.equal(refusalOf(decideConnection([await request('a.test'), await ceiling()], named('a.test'))).code, 'ceiling')
  })

  it('goes to the port of the rule alone', async () => {
    const sets = [await request('example.test:443', '"*.example.test:8000-8010"')]
    assert.ok(decideConnection(sets, named('example.test', 443)).allowed)
    assert.ok(decideConnection(sets, named('a.example.test', 8005)).allowed)
    assert.match(refusalOf(decideConnection(sets, named('example.test', 8443))).reason, /is for port 443/)
    assert.equal(refusalOf(decideConnection(sets, named('a.example.test', 8011))).code, 'no-rule')
  })

  it('by address needs a rule for the network', async () => {
    const sets = [await request('{ cidr: 192.0.2.0/28, port: 22 }', '{ cidr: "2001:db8::/64", port: 22 }')]
    assert.deepEqual(allowed(decideConnection(sets, addressed('192.0.2.15', 22))).protocols, ['ssh'])
    assert.ok(decideConnection(sets, addressed('2001:DB8::7', 22)).allowed)
    for (const address of ['192.0.2.16', '::ffff:192.0.2.1', '0300.0.2.1', '192.0.513', '2001:db8:0:1::7', 'fe80::1%eth0'])
      assert.equal(refusalOf(decideConnection(sets, addressed(address, 22))).code, 'no-rule', address)
  })

  it('to the machine itself or to its link is refused without advice', async () => {
    for (const address of ['169.254.169.254', '127.0.0.1', '::1', 'fe80::1'])
      assert.equal(refusalOf(decideConnection([await request()], addressed(address, 80))).remedy, null, address)
    assert.match(refusalOf(decideConnection([await request()], addressed('10.1.2.3', 80))).remedy ?? '', /10\.1\.2\.3:80/)
  })

  it('by UDP needs a rule for UDP, and a rule for UDP allows no other', async () => {
    const sets = [await request('{ host: ntp.test, port: 123, protocol: udp }', 'web.test:443')]
    assert.deepEqual(allowed(decideConnection(sets, named('ntp.test', 123, { transport: 'udp' }))).protocols, ['udp'])
    assert.equal(refusalOf(decideConnection(sets, named('web.test', 443, { transport: 'udp' }))).code, 'datagram')
    assert.equal(refusalOf(decideConnection(sets, named('ntp.test', 123))).code, 'no-rule')
  })

  it('carries what every set allows', async () => {
    const protocolsOf = async (mine: string[], theirs: string[]): Promise<readonly string[]> =>
      allowed(decideConnection([await request(...mine), await ceiling(...theirs)], named('a.test'))).protocols
    const tcp = '{ host: a.test, port: 443, protocol: tcp }'
    assert.deepEqual(await protocolsOf([tcp], [tcp]), ['tls', 'http', 'ssh', 'tcp'])
    assert.deepEqual(await protocolsOf([tcp], ['a.test:443']), ['tls'])
    assert.deepEqual(await protocolsOf(['a.test:443'], [tcp]), ['tls'])
    const ssh = '{ host: a.test, port: 443, protocol: ssh }'
    assert.deepEqual(await protocolsOf(['a.test:443', ssh], [ssh]), ['ssh'])
    const none = decideConnection([await request('a.test:443'), await ceiling(ssh)], named('a.test'))
    assert.equal(refusalOf(none).code, 'ceiling')
  })

  it('is terminated exactly when some set allows TLS under conditions only', async () => {
    const terminates = async (mine: string[], theirs: string[]): Promise<boolean> =>
      allowed(decideConnection([await request(...mine), await ceiling(...theirs)], named('a.test'))).terminates
    const conditional = '{ host: a.test, methods: [GET] }'
    const ssh = '{ host: a.test, port: 443, protocol: ssh }'
    assert.equal(await terminates(['a.test'], ['a.test']), false)
    assert.equal(await terminates([conditional], ['a.test']), true)
    assert.equal(await terminates(['a.test'], [conditional]), true)
    assert.equal(await terminates([conditional, ssh], ['a.test', ssh]), true)
    assert.equal(await terminates([ssh], [ssh, conditional]), false)
  })

  it('needs no server name only where every set says so, and there is no name to compare it with', async () => {
    const serverName = async (mine: string[], theirs: string[]): Promise<string> =>
      allowed(decideConnection([await request(...mine), await ceiling(...theirs)], named('a.test'))).serverName
    const any = '{ host: a.test, sni: any }'
    assert.equal(await serverName(['a.test'], ['a.test']), 'required')
    assert.equal(await serverName([any], ['a.test']), 'required')
    assert.equal(await serverName([any], [any]), 'any')
    assert.equal(await serverName(['{ host: a.test, port: 443, protocol: tcp }'], [any]), 'any')
    assert.equal(await serverName(['{ host: a.test, methods: [GET] }'], [any]), 'required')
    assert.equal(allowed(decideConnection([await request('192.0.2.1')], addressed('192.0.2.1'))).serverName, 'any')
  })

  it('asks for the program only where that can change the answer', async () => {
    const sets = [await request('{ host: a.test, executables: [/usr/bin/git] }', 'b.test')]
    const unknown = decideConnection(sets, named('a.test'))
    assert.ok(!unknown.allowed && unknown.asksExecutable)
    assert.equal(unknown.refusal.code, 'executable')
    assert.ok(decideConnection(sets, named('a.test', 443, { executable: '/usr/bin/git' })).allowed)
    const other = decideConnection(sets, named('a.test', 443, { executable: '/usr/bin/curl' }))
    assert.ok(!other.allowed && !other.asksExecutable)
    assert.match(other.refusal.reason, /for \/usr\/bin\/git only/)
    assert.equal(decideConnection(sets, named('b.test')).asksExecutable, false)
    const hopeless = decideConnection([...sets, await ceiling('b.test')], named('a.test'))
    assert.equal(hopeless.asksExecutable, false)
    const wider = decideConnection(
      [await request('{ host: a.test, methods: [GET] }', '{ host: a.test, executables: [/usr/bin/git] }')],
      named('a.test'),
    )
    assert.ok(wider.allowed && wider.asksExecutable && wider.terminates)
  })

  it('names the most specific rule first', async () => {
    const sets = [await request('"*.test.test:1-65535"', '"*.a.test.test:443"', 'b.a.test.test:1-65535', 'b.a.test.test:443')]
    const texts = allowed(decideConnection(sets, named('b.a.test.test'))).rules.map(({ origin }) => origin.text)
    assert.deepEqual(texts, ['b.a.test.test:443', 'b.a.test.test:1-65535', '"*.a.test.test:443"', '"*.test.test:1-65535"'])
  })

  it('is refused by nobody who only observes, and by the ceiling all the same', async () => {
    const mine = observing(await request('{ host: a.test, methods: [GET] }'))
    const seen = allowed(decideConnection([mine], named('anything.test', 25)))
    assert.deepEqual([seen.protocols, seen.terminates, seen.serverName, seen.rules], [['tls', 'http', 'ssh', 'tcp'], false, 'any', []])
    assert.equal(allowed(decideConnection([mine], named('a.test'))).terminates, false)
    assert.equal(refusalOf(decideConnection([mine, await ceiling('a.test')], named('b.test'))).code, 'ceiling')
    assert.equal(allowed(decideConnection([mine, await ceiling('{ host: a.test, methods: [GET] }')], named('a.test'))).terminates, true)
  })
})

describe('the first bytes of a connection', () => {
  it('have to be of a protocol that every set allows', async () => {
    const decision = allowed(decideConnection([await request('a.test:22')], named('a.test', 22)))
    assert.equal(narrowToProtocol(decision, 'ssh').allowed, true)
    const { code, rule, remedy } = refusalOf(narrowToProtocol(decision, 'tls'))
    assert.deepEqual([code, rule], ['protocol', 'sallyport.yml:5'])
    assert.equal(remedy, 'add `- { host: a.test, port: 22, protocol: tls }` to `jobs.build.egress` in sallyport.yml')
    assert.equal(refusalOf(narrowToProtocol(decision, 'tcp')).code, 'protocol')
  })

  it('may be any where the rule is for TCP, and nothing is named for them where nobody but the ceiling looks', async () => {
    const decision = allowed(decideConnection([await request('a.test:5432')], named('a.test', 5432)))
    for (const protocol of ['tls', 'http', 'ssh', 'tcp'] as const) {
      const narrowed = narrowToProtocol(decision, protocol)
      assert.equal(narrowed.allowed && narrowed.rule?.origin.text, 'a.test:5432')
    }
    const seen = narrowToProtocol(allowed(decideConnection([observing(await request())], named('a.test'))), 'tls')
    assert.deepEqual(seen, { allowed: true, rule: null, ceiling: null })
  })

  it('choose the rule that they are for', async () => {
    const sets = [await request('a.test:443', '{ host: a.test, port: 443, protocol: ssh }')]
    const narrowed = narrowToProtocol(allowed(decideConnection(sets, named('a.test'))), 'ssh')
    assert.equal(narrowed.allowed && narrowed.rule?.protocol, 'ssh')
  })

  it('are told to be the ceiling’s business where the request would allow them', async () => {
    const sets = [await request('{ host: a.test, port: 443, protocol: tcp }'), await ceiling('a.test')]
    const { code, remedy } = refusalOf(narrowToProtocol(allowed(decideConnection(sets, named('a.test'))), 'ssh'))
    assert.equal(code, 'ceiling')
    assert.match(remedy ?? '', /^ask the operator to add/)
  })
})

describe('a request', () => {
  const codeOf = (sets: readonly RuleSet[], ...what: Parameters<typeof asks>): string => {
    const decision = decideRequest(sets, asks(...what))
    return decision.allowed ? 'allowed' : decision.refusal.code
  }

  it('needs a rule for its method and its path in each set', async () => {
    const sets = [
      await request('{ host: a.test, methods: [GET, HEAD], path: /acme/** }'),
      await ceiling('{ host: a.test, methods: [GET, POST] }'),
    ]
    assert.equal(codeOf(sets, 'GET', 'https://a.test/acme/x?y'), 'allowed')
    assert.equal(codeOf(sets, 'HEAD', 'https://a.test/acme/x'), 'ceiling')
    assert.equal(codeOf(sets, 'POST', 'https://a.test/acme/x'), 'method')
    assert.equal(codeOf(sets, 'GET', 'https://a.test/other'), 'path')
    assert.equal(codeOf(sets, 'GET', 'https://b.test/acme/x'), 'no-rule')
    assert.equal(codeOf(sets, 'GET', 'http://a.test/acme/x'), 'no-rule')
    assert.equal(codeOf(sets, 'GET', 'https://a.test:8443/acme/x'), 'no-rule')
  })

  it('is charged to the rules of both files that allow it, not to others of the same host', async () => {
    const sets = [
      await request('{ host: a.test, methods: [GET], path: /** }'),
      await ceiling('{ host: a.test, path: /small/**, budget: { out: 1KiB } }', '{ host: a.test, path: /big/** }'),
    ]
    const budgetOf = (url: string): unknown => {
      const decision = decideRequest(sets, asks('GET', url))
      return decision.allowed ? [decision.rule?.origin.source, decision.ceiling?.budget.bytesOut] : decision.refusal
    }
    assert.deepEqual(budgetOf('https://a.test/small/x'), ['sallyport.yml', 1024])
    assert.deepEqual(budgetOf('https://a.test/big/x'), ['sallyport.yml', null])
  })

  it('is not allowed by the method of one rule and the path of another', async () => {
    const sets = [await request('{ host: a.test, methods: [POST], path: /upload }', '{ host: a.test, methods: [GET], path: /** }')]
    assert.equal(codeOf(sets, 'POST', 'https://a.test/upload'), 'allowed')
    assert.equal(codeOf(sets, 'POST', 'https://a.test/other'), 'path')
    assert.equal(codeOf(sets, 'PUT', 'https://a.test/upload'), 'method')
  })

  it('may be anything where a rule has no condition', async () => {
    const sets = [await request('a.test', 'a.test:80')]
    assert.equal(codeOf(sets, 'DELETE', 'https://a.test/graphql', { graphql: true }), 'allowed')
    assert.equal(codeOf(sets, 'GET', 'http://a.test/', { upgrade: 'websocket' }), 'allowed')
  })

  it('never is CONNECT, TRACE or PRI, and * is for OPTIONS', async () => {
    for (const set of [await request('a.test'), observing(await request())]) {
      for (const method of ['CONNECT', 'TRACE', 'PRI']) assert.equal(codeOf([set], method, 'https://a.test/'), 'method')
      assert.equal(codeOf([set], 'GET', 'https://a.test*'), 'malformed')
      assert.equal(codeOf([set], 'OPTIONS', 'https://a.test*'), 'allowed')
    }
    assert.equal(codeOf([await request('{ host: a.test, path: /** }')], 'OPTIONS', 'https://a.test*'), 'path')
  })

  it('to GraphQL or for a websocket has to be meant by a rule with conditions', async () => {
    const plain = [await request('{ host: a.test, methods: [GET, POST], path: /** }')]
    assert.equal(codeOf(plain, 'POST', 'https://a.test/graphql', { graphql: true }), 'graphql')
    assert.equal(codeOf(plain, 'GET', 'https://a.test/ws', { upgrade: 'websocket' }), 'upgrade')
    const meant = [await request('{ host: a.test, methods: [GET, POST], path: /**, graphql: true, websocket: true }')]
    assert.equal(codeOf(meant, 'POST', 'https://a.test/graphql', { graphql: true }), 'allowed')
    assert.equal(codeOf(meant, 'GET', 'https://a.test/ws', { upgrade: 'websocket' }), 'allowed')
  })

  it('is refused with a line that, added, allows it', async () => {
    const first = [await request('{ host: a.test, methods: [GET], path: /acme/** }')]
    const facts = [
      asks('POST', 'https://a.test/gists'),
      asks('GET', 'https://a.test/a*b/%7Bx%7D/@scope%2fname,1'),
      asks('POST', 'https://a.test/graphql', { graphql: true }),
      asks('GET', 'https://a.test/ws', { upgrade: 'websocket' }),
      asks('GET', 'https://a.test:8443/x'),
      asks('GET', 'http://a.test/x'),
      asks('GET', 'http://a.test:8080/x'),
    ]
    for (const fact of facts) {
      const { remedy } = refusalOf(decideRequest(first, fact))
      const line = /^add `- (.*)` to `jobs\.build\.egress` in sallyport\.yml$/.exec(remedy ?? '')?.[1]
      assert.ok(line !== undefined, String(remedy))
      assert.equal(decideRequest([await request(line)], fact).allowed, true, line)
    }
  })

  it('of another program than the rule names is refused', async () => {
    const sets = [await request('{ host: a.test, methods: [GET], executables: [/usr/bin/git] }')]
    const byGit = named('a.test', 443, { executable: '/usr/bin/git' })
    assert.equal(codeOf(sets, 'GET', 'https://a.test/', { target: byGit }), 'allowed')
    assert.equal(codeOf(sets, 'GET', 'https://a.test/'), 'no-rule')
  })
})
