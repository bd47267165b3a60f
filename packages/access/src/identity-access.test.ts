// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AccessError } from './access-error.ts'
import { parseAccessFile } from './access-file.ts'
import { canonicalAsk } from './canonical-ask.ts'
import { decideIdentity } from './decide-identity.ts'
import { asksOf } from './describe.ts'
import { parseOperatorFile } from './operator-file.ts'
import type { GrantFacts } from './secret-contract.ts'

const VAULT = 'https://vault.example.test'

function fileWith(identity: string): string {
  return `version: 1
jobs:
  build:
    steps:
      publish:
        identity: ${identity}
      test: {}
`
}

const facts: GrantFacts = {
  repository: 'acme/app',
  ref: 'refs/heads/main',
  event: 'push',
  environment: null,
  actor: 'someone',
  isForkPullRequest: false,
}

async function decide(job: string, step: string | null, changes: Partial<GrantFacts> = {}): Promise<string> {
  const file = await parseAccessFile(
    'sallyport.yml',
    fileWith(`{ audiences: [${VAULT}], when: { refs: [refs/heads/main], events: [push] } }`),
  )
  const decision = decideIdentity({ file, operator: null, job, step, facts: { ...facts, ...changes } })
  return decision.granted ? decision.grant.audiences.map(({ audience }) => audience).join(' ') : `${decision.code} ${decision.rule}`
}

async function problemsOf(parsed: Promise<unknown>): Promise<readonly string[]> {
  const error = await parsed.then(
    () => assert.fail('it was taken'),
    (reason: unknown) => reason,
  )
  assert.ok(error instanceof AccessError, String(error))
  return error.problems.map(({ at, message }) => `${at.line}: ${message}`)
}

test('a grant holds for its own step, where its conditions hold, and never for what an outsider wrote', async () => {
  assert.equal(await decide('build', 'publish'), VAULT)
  assert.equal(await decide('build', 'test'), 'none null')
  assert.equal(await decide('build', null), 'none null')
  assert.equal(await decide('other', 'publish'), 'none null')
  assert.equal(await decide('build', 'publish', { ref: 'refs/heads/evil' }), 'condition sallyport.yml:6')
  assert.equal(await decide('build', 'publish', { event: 'pull_request' }), 'condition sallyport.yml:6')
  assert.equal(await decide('build', 'publish', { isForkPullRequest: true }), 'fork sallyport.yml:6')
  assert.equal(decideIdentity({ file: null, operator: null, job: 'build', step: 'publish', facts }).granted, false)
})

test('a grant is part of what is approved: its audiences and conditions, not their order', async () => {
  const ask = async (identity: string): Promise<string> => canonicalAsk(await parseAccessFile('sallyport.yml', fileWith(identity)))
  const one = await ask('{ audiences: [a, b] }')
  assert.equal(await ask('{ audiences: [b, a] }'), one)
  for (const other of ['{ audiences: [a] }', '{ audiences: [a, c] }', '{ audiences: [a, b], when: { events: [push] } }'])
    assert.notEqual(await ask(other), one, other)
  const file = await parseAccessFile(
    'sallyport.yml',
    fileWith(`{ audiences: [${VAULT}, sts.example.test], when: { refs: [refs/heads/main] } }`),
  )
  assert.deepEqual(asksOf(file), [
    {
      job: 'build',
      step: 'publish',
      text: `identity tokens for ${VAULT} sts.example.test, on refs/heads/main`,
      rule: 'sallyport.yml:6',
    },
  ])
})

test('a file without a grant asks for what it asked before there were any', async () => {
  const text = 'version: 1\njobs: { build: { steps: { publish: { egress: [a.example.test:443] } } } }\n'
  assert.ok(!canonicalAsk(await parseAccessFile('sallyport.yml', text)).includes('identity'))
})

test('what is no grant is refused with its line', async () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['{}', /names no audience/],
    ['{ audiences: [] }', /audiences is empty/],
    ["{ audiences: ['*'] }", /cannot be an audience/],
    ["{ audiences: ['https://*.example.test'] }", /cannot be an audience/],
    ["{ audiences: ['a b'] }", /cannot be an audience/],
    [`{ audiences: [${'x'.repeat(256)}] }`, /cannot be an audience/],
    ['{ audiences: [a, a] }', /named twice/],
    [`{ audiences: [${Array.from({ length: 21 }, (_, index) => `a${index}`).join(', ')}] }`, /at most 20/],
    ['{ audience: a }', /has no key/],
    ['{ audiences: [a], when: { branches: [main] } }', /has no key/],
    ['[a]', /has to be a map/],
    ['{ audiences: [{ hosts: [a.test] }] }', /has no name/],
    ['{ audiences: [{ audience: a, hosts: [] }] }', /hosts is empty/],
    ['{ audiences: [{ audience: a, in: { body: jwt } }] }', /without hosts/],
    ['{ audiences: [{ audience: a, hosts: [a.test], in: { aws: { service: s3 } } }] }', /signs no requests/],
    ['{ audiences: [{ audience: a, algorithm: HS256 }] }', /algorithm/],
    ['{ audiences: [{ audience: a, lifetime: 1h }] }', /no lifetime/],
    ['{ audiences: [{ audience: a, lifetime: 1s }] }', /no lifetime/],
    ['{ audiences: [a, { audience: a }] }', /named twice/],
  ]
  for (const [identity, message] of cases) {
    const problems = await problemsOf(parseAccessFile('sallyport.yml', fileWith(identity)))
    assert.match(problems.join('\n'), message, identity)
    assert.ok(
      problems.every((problem) => problem.startsWith('6: ')),
      problems.join('\n'),
    )
  }
  const ofJob = 'version: 1\njobs: { build: { identity: { audiences: [a] } } }\n'
  assert.match((await problemsOf(parseAccessFile('sallyport.yml', ofJob))).join('\n'), /to a step, not to a whole job/)
})

test('an audience says where its token goes in, how it is signed and how long it lives', async () => {
  const identity = `{ audiences: [{ audience: ${VAULT}, hosts: [vault.example.test], in: { body: jwt }, path: /v1/auth/jwt/login, algorithm: EdDSA, lifetime: 1m }] }`
  const file = await parseAccessFile('sallyport.yml', fileWith(identity))
  const [audience] = file.jobs[0]?.steps.find(({ id }) => id === 'publish')?.identity?.audiences ?? []
  assert.deepEqual([audience?.algorithm, audience?.lifetimeS, audience?.placeholder?.in], ['EdDSA', 60, { body: 'jwt' }])
  assert.equal(
    asksOf(file)[0]?.text,
    `identity tokens for ${VAULT} (as a placeholder in body jwt to vault.example.test /v1/auth/jwt/login, EdDSA, for 60 s)`,
  )
  const ask = async (text: string): Promise<string> => canonicalAsk(await parseAccessFile('sallyport.yml', fileWith(text)))
  const one = await ask(identity)
  for (const other of [
    identity.replace('EdDSA', 'RS256'),
    identity.replace('1m', '2m'),
    identity.replace('body: jwt', 'body: token'),
    `{ audiences: [${VAULT}] }`,
  ])
    assert.notEqual(await ask(other), one, other)
})

test('the operator says who may have tokens for which audience, how, and for how long', async () => {
  const decideWith = async (identity: string, allow: string, repository = 'acme/app'): Promise<string> => {
    const file = await parseAccessFile('sallyport.yml', fileWith(identity))
    const operator = await parseOperatorFile('config.yml', `version: 1\nidentity: { issuer: https://ci.example.test, ${allow} }\n`)
    const decision = decideIdentity({ file, operator, job: 'build', step: 'publish', facts: { ...facts, repository } })
    return decision.granted ? 'granted' : decision.code
  }
  const plain = `{ audiences: [${VAULT}] }`
  const behindGate = `{ audiences: [{ audience: ${VAULT}, hosts: [vault.example.test] }] }`
  assert.equal(await decideWith(plain, 'allow: []'), 'ceiling')
  assert.equal(await decideWith(plain, `allow: [{ audiences: [${VAULT}], repositories: [acme/*] }]`), 'granted')
  assert.equal(await decideWith(plain, `allow: [{ audiences: [${VAULT}], repositories: [acme/*] }]`, 'eve/app'), 'ceiling')
  assert.equal(await decideWith(plain, `allow: [{ audiences: [${VAULT}x] }]`), 'ceiling')
  assert.equal(await decideWith(`{ audiences: [${VAULT}, other] }`, `allow: [{ audiences: [${VAULT}] }]`), 'ceiling')
  assert.equal(await decideWith(plain, `allow: [{ audiences: [${VAULT}], when: { refs: [refs/heads/release] } }]`), 'ceiling')
  assert.equal(await decideWith(plain, `allow: [{ audiences: [${VAULT}], deliver: placeholder }]`), 'ceiling')
  assert.equal(await decideWith(behindGate, `allow: [{ audiences: [${VAULT}], deliver: placeholder }]`), 'granted')
  const long = `{ audiences: [{ audience: ${VAULT}, lifetime: 10m }] }`
  assert.deepEqual([await decideWith(long, 'lifetime: 5m'), await decideWith(long, 'lifetime: 10m')], ['ceiling', 'granted'])
})

test('the operator names the issuer', async () => {
  const parse = (identity: string): ReturnType<typeof parseOperatorFile> => parseOperatorFile('config.yml', `version: 1\n${identity}`)
  assert.equal((await parse('')).identity, null)
  assert.equal((await parse('identity: { issuer: https://ci.example.test }')).identity?.issuer, 'https://ci.example.test')
  for (const wrong of ['identity: {}', 'identity: { issuer: [] }', 'identity: { issuers: x }'])
    assert.equal((await problemsOf(parse(wrong)))[0]?.slice(0, 2), '2:', wrong)
})
