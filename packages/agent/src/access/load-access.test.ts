// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type ConnectionTarget, decideConnection } from '@sallyport/access'
import { makeDirectory } from './_temporary-directory.ts'
import { accessCommands } from './commands.ts'
import type { EffectiveAccess, EgressOptions } from './contract.ts'
import { loadEffectiveAccess } from './load-access.ts'
import { loadPolicy } from './policy.ts'

const EGRESS: EgressOptions = { allow: [], mode: 'enforce', resolve: [], operatorFile: null, accessFile: null }

const ACCESS = `version: 1
egress: [every.test]
jobs:
  build:
    egress:
      - build.test:8443
    steps:
      publish:
        egress: [{ host: publish.test, methods: [PUT], path: /acme/** }]
`

interface World {
  readonly repository: string
  readonly state: string
  /** An operator's file with this below `egress:`. */
  operator(egress: string, more?: string): string
  load(egress?: Partial<EgressOptions>): Promise<EffectiveAccess>
  trust(): Promise<void>
}

function makeWorld(t: TestContext, files: Readonly<Record<string, string>> = {}): World {
  const repository = makeDirectory(t, files)
  const state = makeDirectory(t)
  const place = { stateDirectory: state, repository, accessFile: null, operatorFile: null }
  return {
    repository,
    state,
    operator: (egress, more = '') => join(makeDirectory(t, { 'config.yml': `version: 1\negress:\n${egress}\n${more}` }), 'config.yml'),
    load: (egress = {}) =>
      loadEffectiveAccess({ egress: { ...EGRESS, ...egress }, repository, base: null, plans: null, stateDirectory: state }),
    trust: async () => accessCommands.approve(place, (await accessCommands.review(place)).digest),
  }
}

function allows(access: EffectiveAccess, [job, step]: readonly [string, string | null], host: string, port = 443): boolean {
  const target: ConnectionTarget = { name: host, address: null, port, transport: 'tcp', executable: null }
  return decideConnection(access.setsFor(job, step), target).allowed
}

const BUILD = ['build', null] as const

test('without a file and without an option nothing is allowed, and the remedy names the file that could', async (t) => {
  const access = await makeWorld(t).load()
  const target: ConnectionTarget = { name: 'a.test', address: null, port: 443, transport: 'tcp', executable: null }
  const decision = decideConnection(access.setsFor('build', null), target)
  assert.equal(decision.allowed, false)
  assert.match(decision.allowed ? '' : (decision.refusal.remedy ?? ''), /jobs\.build\.egress.* in sallyport\.yml/)
  assert.deepEqual([access.observes, access.limits, access.limitsMax, access.bytesOutMax], [false, {}, {}, null])
})

test('what a person types needs no approval, and is for every job', async (t) => {
  const access = await makeWorld(t).load({ allow: ['a.test', 'b.test:22'] })
  assert.deepEqual(
    [allows(access, BUILD, 'a.test'), allows(access, ['x', 's'], 'b.test', 22), allows(access, BUILD, 'b.test')],
    [true, true, false],
  )
})

test('conditions that an option or a preset takes away are told, and where', async (t) => {
  const world = makeWorld(t, { 'sallyport.yml': ACCESS })
  await world.trust()
  assert.deepEqual((await world.load()).notices, [])
  const [notice = '', ...others] = (await world.load({ allow: ['publish.test', 'build.test:8443'] })).notices
  assert.match(
    notice,
    /^sallyport\.yml:9: the methods and paths of this rule have no effect: "publish\.test" \(--allow\) lets everything through/,
  )
  assert.deepEqual(others, [])
  const npm = 'version: 1\negress:\n  - preset: npm\n  - { host: registry.test, methods: [GET] }\n'
  const ask = async () => ({ endpoints: [{ host: 'registry.test', port: 443, protocol: 'tls' as const }], problems: [] })
  const places = { repository: makeDirectory(t, { 'sallyport.yml': npm }), base: null, accessFile: null, operatorFile: null, allow: [] }
  assert.match(
    (await loadPolicy(places, ask)).notices.join(),
    /^sallyport\.yml:4: the methods .* "preset: npm" \(sallyport\.yml:3\) lets everything/,
  )
})

test('exec reads no access file, and its remedy is the option', async (t) => {
  const { state } = makeWorld(t)
  const access = await loadEffectiveAccess({ egress: EGRESS, repository: null, base: null, plans: null, stateDirectory: state })
  const target: ConnectionTarget = { name: 'a.test', address: null, port: 443, transport: 'tcp', executable: null }
  const decision = decideConnection(access.setsFor('exec', null), target)
  assert.equal(decision.allowed ? '' : decision.refusal.remedy, 'add --allow a.test:443')
})

test('a file that nobody approved runs nothing, and the error lists what it asks for', async (t) => {
  const world = makeWorld(t, { 'sallyport.yml': ACCESS })
  await assert.rejects(world.load(), (error: Error & { code: string; hint: string; details: { asks: string[] } }) => {
    assert.equal(error.code, 'NOT_TRUSTED')
    assert.equal(error.hint, 'Review it, then: sallyport trust')
    assert.deepEqual(error.details.asks, [
      'every job: every.test:443 (tls)  (sallyport.yml:2)',
      'job build: build.test:8443 (tcp)  (sallyport.yml:6)',
      'job build, step publish: publish.test:443 (tls, terminated); PUT /acme/**  (sallyport.yml:9)',
    ])
    return true
  })
})

test('once approved it is in force, for each job and step what is theirs', async (t) => {
  const world = makeWorld(t, { 'sallyport.yml': ACCESS })
  await world.trust()
  const access = await world.load()
  assert.deepEqual(
    [
      allows(access, BUILD, 'every.test'),
      allows(access, BUILD, 'build.test', 8443),
      allows(access, BUILD, 'publish.test'),
      allows(access, ['build', 'publish'], 'publish.test'),
      allows(access, ['build', 'other'], 'publish.test'),
      allows(access, ['test', 'publish'], 'build.test', 8443),
      allows(access, ['test', null], 'every.test'),
    ],
    [true, true, false, true, false, false, true],
  )
  assert.deepEqual(access.gate.terminates, [{ kind: 'exact', name: 'publish.test' }])
})

test('a comment may change, a host may not', async (t) => {
  const world = makeWorld(t, { 'sallyport.yml': ACCESS })
  await world.trust()
  const write = (text: string): void => writeFileSync(join(world.repository, 'sallyport.yml'), text)
  write(`# new\n${ACCESS}`)
  await world.load()
  write(ACCESS.replace('every.test', 'evil.test'))
  await assert.rejects(world.load(), { code: 'NOT_TRUSTED', hint: /trust --diff/ })
})

test('a file that asks for nothing, or for less than jobs get anyway, needs no approval', async (t) => {
  for (const text of ['version: 1\n', 'version: 1\nlimits: { pids: 100, time: 5m }\njobs: { build: {} }\n']) {
    const access = await makeWorld(t, { 'sallyport.yml': text }).load()
    assert.equal(allows(access, BUILD, 'a.test'), false)
  }
  const access = await makeWorld(t, { 'sallyport.yml': 'version: 1\nlimits: { pids: 100 }\n' }).load()
  assert.deepEqual(access.limits, { pids: 100 })
})

test('higher limits are asked for like hosts', async (t) => {
  const world = makeWorld(t, { 'sallyport.yml': 'version: 1\nlimits: { pids: 100000 }\n' })
  await assert.rejects(world.load(), { code: 'NOT_TRUSTED' })
  await world.trust()
  assert.deepEqual((await world.load()).limits, { pids: 100_000 })
})

test("where there is an operator's file nobody is asked, and both have to allow it", async (t) => {
  const world = makeWorld(t, { 'sallyport.yml': ACCESS })
  const operatorFile = world.operator('  allow: [every.test, "typed.test:443"]\n  budget: { out: 1MiB }', 'limits: { memory: 1GiB }\n')
  const access = await world.load({ operatorFile, allow: ['typed.test', 'more.test'] })
  assert.deepEqual(
    ['every.test', 'typed.test', 'more.test', 'other.test'].map((host) => allows(access, BUILD, host)),
    [true, true, false, false],
  )
  assert.equal(allows(access, BUILD, 'build.test', 8443), false)
  assert.deepEqual([access.bytesOutMax, access.limitsMax], [2 ** 20, { memoryBytes: 2 ** 30 }])
})

test('limits beyond the operator’s are told, and kept to', async (t) => {
  const world = makeWorld(t, { 'sallyport.yml': 'version: 1\nlimits: { pids: 5000, memory: 1GiB }\n' })
  const access = await world.load({ operatorFile: world.operator('  observe: false', 'limits: { pids: 1000 }\n') })
  assert.deepEqual([access.limits.pids, access.limitsMax.pids], [5000, 1000])
  assert.match(access.notices.join('\n'), /allows less than "sallyport\.yml" asks for: pids$/)
})

test('observing refuses nothing, says so, and is possible where no operator forbids it', async (t) => {
  const world = makeWorld(t)
  const access = await world.load({ mode: 'observe' })
  assert.equal(allows(access, BUILD, 'any.test', 1234), true)
  assert.match(access.notices.join('\n'), /nothing is blocked, everything is recorded/)
  const forbidding = world.operator('  allow: [a.test]')
  await assert.rejects(world.load({ mode: 'observe', operatorFile: forbidding }), { code: 'OBSERVE_FORBIDDEN' })
  const allowing = await world.load({ mode: 'observe', operatorFile: world.operator('  observe: true\n  allow: [a.test]') })
  assert.deepEqual([allows(allowing, BUILD, 'a.test'), allows(allowing, BUILD, 'any.test')], [true, false])
  assert.match(allowing.notices.join('\n'), /nothing is blocked but what .* forbids/)
})

test('--resolve fixes addresses and opens them, unless an operator has the say', async (t) => {
  const world = makeWorld(t)
  const resolve = ['DB.test:10.0.0.7', 'db.test:[2001:DB8::7]', 'six.test:2001:db8::1']
  const { gate } = await world.load({ resolve })
  assert.deepEqual([gate.hosts['db.test'], gate.hosts['six.test']], [['10.0.0.7', '2001:db8::7'], ['2001:db8::1']])
  assert.deepEqual([gate.trustedHosts, gate.privateNetworks], [['db.test', 'six.test'], []])
  const operatorFile = world.operator(
    '  hosts: { db.test: 192.0.2.1, x.test: [192.0.2.2] }\n  private: [10.0.0.0/8]\n  nameServers: ["192.0.2.53"]',
  )
  const under = (await world.load({ resolve, operatorFile })).gate
  assert.deepEqual([under.hosts['db.test'], under.hosts['six.test']], [['192.0.2.1'], ['2001:db8::1']])
  assert.deepEqual([under.trustedHosts, under.privateNetworks, under.nameServers], [['db.test', 'x.test'], ['10.0.0.0/8'], ['192.0.2.53']])
})

for (const text of ['a.test', 'a.test:', ':192.0.2.1', 'a.test:b.test', '*.a.test:192.0.2.1', '192.0.2.1:192.0.2.2', 'a.test:127.1']) {
  test(`--resolve ${text} is refused`, async (t) => {
    await assert.rejects(makeWorld(t).load({ resolve: [text] }), { code: 'EGRESS_INVALID' })
  })
}

test('rules, files and operators that are not valid are refused with every problem', async (t) => {
  await assert.rejects(makeWorld(t).load({ allow: ['*'] }), { code: 'ACCESS_RULE_INVALID' })
  await assert.rejects(makeWorld(t, { 'sallyport.yml': 'version: 1\negres: []\njobs: 7\n' }).load(), {
    code: 'ACCESS_INVALID',
    name: 'AccessError',
  })
  const world = makeWorld(t)
  await assert.rejects(world.load({ operatorFile: world.operator('  nope: 1') }), { code: 'ACCESS_CEILING_INVALID' })
})

test('certificates are read where the gate speaks TLS itself, and have to be certificates', async (t) => {
  const world = makeWorld(t, { 'sallyport.yml': ACCESS })
  const pem = makeDirectory(t, { 'ca.pem': '-----BEGIN CERTIFICATE-----\nx\n', 'no.pem': 'no' })
  const operator = (name: string): string => world.operator(`  authorities: ["${join(pem, name)}"]`)
  assert.match((await world.load({ operatorFile: operator('ca.pem') })).gate.authorities ?? '', /BEGIN/)
  for (const name of ['no.pem', 'none.pem'])
    await assert.rejects(world.load({ operatorFile: operator(name) }), { code: 'OPERATOR_FILE_REFUSED' })
  assert.equal((await makeWorld(t).load({ allow: ['a.test'] })).gate.authorities, null, 'a gate that terminates nothing needs none')
})

test('a preset means hosts of this machine, and an approval is for those hosts', async (t) => {
  const world = makeWorld(t, { 'sallyport.yml': 'version: 1\negress: [{ preset: git }]\n' })
  const git = (...args: string[]): unknown =>
    execFileSync('git', ['-C', world.repository, ...args], { env: { PATH: process.env['PATH'], HOME: world.state } })
  git('init', '-q')
  await assert.rejects(world.load(), { code: 'ACCESS_PRESET_UNRESOLVED' })
  git('remote', 'add', 'origin', 'git@git.test:acme/x')
  await world.trust()
  assert.equal(allows(await world.load(), BUILD, 'git.test', 22), true)
  git('remote', 'set-url', 'origin', 'git@evil.test:acme/x')
  await assert.rejects(world.load(), { code: 'NOT_TRUSTED' })
})
