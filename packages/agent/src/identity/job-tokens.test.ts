// SPDX-License-Identifier: Apache-2.0
// The tokens of a job, with a real minter: what is recorded, masked and bounded before one goes out.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { parseAccessFile, parseOperatorFile } from '@sallyport/access'
import type { Substitution, TokenAnswer } from '@sallyport/gate'
import type { JobIdentity } from '@sallyport/identity'
import { createSecretSet, type SecretSet } from '@sallyport/redaction'
import { JobTokens } from './job-tokens.ts'
import { RunIdentity } from './run-identity.ts'

const VAULT = 'https://vault.example.test'
const SOURCE = '198.18.1.1'
const STEP = { step: '3', id: 'publish' }

const OPERATOR = `version: 1
identity: { issuer: https://ci.example.test }
providers:
  openbao: { kind: vault, address: 'https://bao.example.test:8200', audience: '${VAULT}' }
  plain: { kind: vault, address: 'https://bao.example.test:8200' }
`
const ACCESS = `version: 1
jobs: { build: { steps: { publish: { identity: { audiences: [${VAULT}] } } } } }
`
const facts = {
  repository: 'acme/app',
  ref: 'refs/heads/main',
  event: 'push',
  environment: null,
  actor: 'someone',
  isForkPullRequest: false,
}

const identityOf = (step: string): JobIdentity => ({
  repository: 'acme/app',
  ref: 'refs/heads/main',
  sha: 'a'.repeat(40),
  workflow: 'CI',
  workflowRef: 'acme/app/.github/workflows/ci.yml@refs/heads/main',
  jobWorkflowRef: 'acme/app/.github/workflows/ci.yml@refs/heads/main',
  workflowDigest: `sha256:${'b'.repeat(64)}`,
  runId: 'run-1',
  job: 'build',
  step,
  environment: null,
  actor: 'someone',
  eventName: 'push',
  runner: 'host',
  isolation: 'oci',
  policyDigest: null,
  selfCheck: { passed: 30, failed: [] },
})

interface Started {
  readonly tokens: JobTokens
  readonly said: string[]
  readonly masks: SecretSet
  recorded: () => Promise<void>
  /** What the gate was told. */
  readonly gate: { readonly source: string; readonly substitution: Substitution }[]
}

async function start(t: TestContext, { valuesMax = 100, isFork = false, access = ACCESS, issuer = '' } = {}): Promise<Started> {
  const stateDirectory = mkdtempSync(join(tmpdir(), 'sallyport-identity-'))
  t.after(() => rmSync(stateDirectory, { recursive: true }))
  const masks = createSecretSet({ valuesMax })
  const [file, operator] = await Promise.all([
    parseAccessFile('sallyport.yml', access),
    parseOperatorFile('config.yml', OPERATOR.replace('.test }', `.test${issuer} }`)),
  ])
  const run = new RunIdentity({ file, operator, facts: { ...facts, isForkPullRequest: isFork }, masks, stateDirectory })
  t.after(() => run[Symbol.dispose]())
  await run.begin([])
  const said: string[] = []
  const tokens = new JobTokens(run, {
    id: 'build',
    identityOf,
    report: (type, data, step) => void said.push(`${step} ${type} ${data['code'] ?? data['as'] ?? data['reason'] ?? ''}`.trim()),
    refuse: (step, detail) => void said.push(`${step} refused: ${detail}`),
    substitute: async (source, substitution) => started.gate.push({ source, substitution }) > 0,
    recorded: () => started.recorded(),
  })
  const started: Started = { tokens, said, masks, recorded: () => Promise.resolve(), gate: [] }
  return started
}

/** As the step's process asks, with what its environment says. */
function ask({ tokens }: Started, env: Readonly<Record<string, string>>): Promise<TokenAnswer | null> {
  const { pathname, search } = new URL(env['ACTIONS_ID_TOKEN_REQUEST_URL'] ?? '')
  const authorization = `bearer ${env['ACTIONS_ID_TOKEN_REQUEST_TOKEN']}`
  return tokens.answer({ method: 'GET', target: pathname + search, authorization }, SOURCE)
}

function open({ tokens }: Started): Readonly<Record<string, string>> {
  return tokens.open(STEP, tokens.decide('3', 'publish') ?? assert.fail('not granted'), SOURCE)
}

test('a token is masked and on record before it goes out, and its step’s end is the end of asking', async (t) => {
  const started = await start(t)
  const { tokens, said, masks } = started
  const env = open(started)
  assert.ok(masks.matches(env['ACTIONS_ID_TOKEN_REQUEST_TOKEN'] ?? ''))
  const durable = Promise.withResolvers<void>()
  started.recorded = () => durable.promise
  let isAnswered = false
  const asked = ask(started, env).then((answer) => {
    isAnswered = true
    return answer
  })
  while (!said.includes('3 identity.minted token')) await new Promise((resolve) => setTimeout(resolve, 5))
  assert.equal(isAnswered, false)
  durable.resolve()
  const { value } = JSON.parse((await asked)?.body ?? '') as { value: string }
  assert.equal(masks.redact(`it is ${value}`), 'it is ***')
  tokens.close()
  assert.equal((await ask(started, env))?.status, 403)
  assert.deepEqual(said, ['3 identity.granted', '3 identity.minted token', 'undefined identity.refused no-grant'])
})

test('what cannot be recorded does not go out', async (t) => {
  const started = await start(t)
  const env = open(started)
  started.recorded = () => Promise.reject(new Error('the disk is full'))
  await assert.rejects(ask(started, env), /the disk is full/)
  await assert.rejects(started.tokens.forProvider('openbao', STEP), /the disk is full/)
})

test('what cannot be masked does not go out', async (t) => {
  const started = await start(t, { valuesMax: 2 })
  const env = open(started)
  assert.equal((await ask(started, env))?.status, 200)
  const { status, body } = (await ask(started, env)) ?? assert.fail('no answer')
  assert.deepEqual([status, JSON.parse(body)], [500, { message: 'the token could not be made' }])
  assert.equal(started.said.at(-1), '3 identity.refused IDENTITY_LIMIT')
  await assert.rejects(started.tokens.forProvider('openbao', STEP), { code: 'IDENTITY_LIMIT' })
})

test('a provider is shown a token where it asks for one', async (t) => {
  const { tokens, said, masks } = await start(t)
  assert.equal(await tokens.forProvider('plain', STEP), null)
  assert.equal(await tokens.forProvider('store', STEP), null)
  const token = (await tokens.forProvider('openbao', STEP)) ?? ''
  const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Record<string, unknown>
  assert.deepEqual([claims['aud'], claims['step'], claims['sub']], [VAULT, 'publish', 'repo:acme/app:ref:refs/heads/main'])
  assert.ok(masks.matches(token))
  assert.deepEqual(said, ['3 identity.minted provider'])
})

test('what a fork wrote is denied, and told; who was granted nothing is not spoken of', async (t) => {
  const { tokens, said } = await start(t, { isFork: true })
  assert.equal(tokens.decide('3', 'publish'), null)
  assert.equal(tokens.decide('4', 'other'), null)
  assert.equal(tokens.decide('5', null), null)
  assert.deepEqual(said, [
    '3 identity.denied fork',
    '3 refused: an outsider wrote what runs: a pull request from a fork gets no identity token',
  ])
})

test('where the audience is behind the gate, the step gets a placeholder and the gate the token, as long and signed as the grant says', async (t) => {
  const audience = `{ audience: '${VAULT}', hosts: [vault.example.test], in: { body: jwt }, algorithm: EdDSA, lifetime: 1m }`
  const started = await start(t, { access: ACCESS.replace(`[${VAULT}]`, `[${audience}]`) })
  const { value } = JSON.parse((await ask(started, open(started)))?.body ?? '') as { value: string }
  const [told] = started.gate
  assert.deepEqual([told?.source, told?.substitution.placeholder, told?.substitution.rule.in], [SOURCE, value, { body: 'jwt' }])
  const token = told?.substitution.value ?? ''
  assert.notEqual(token, value)
  assert.ok(started.masks.matches(token))
  const parts = token.split('.').map((part) => Buffer.from(part, 'base64url').toString())
  const claims = JSON.parse(parts[1] ?? '') as { exp: number; iat: number }
  assert.deepEqual([(JSON.parse(parts[0] ?? '') as { alg: string }).alg, claims.exp - claims.iat], ['EdDSA', 60])
})

test('the operator’s lifetime is that of tokens without one of their own', async (t) => {
  const started = await start(t, { issuer: ', lifetime: 2m' })
  const { value } = JSON.parse((await ask(started, open(started)))?.body ?? '') as { value: string }
  const { exp, iat } = JSON.parse(Buffer.from(value.split('.')[1] ?? '', 'base64url').toString()) as { exp: number; iat: number }
  assert.equal(exp - iat, 120)
})

test('the clouds’ providers are shown tokens for the audience that each of them takes', async (t) => {
  const started = await start(t)
  const audienceFor = async (text: string): Promise<unknown> => {
    const stateDirectory = mkdtempSync(join(tmpdir(), 'sallyport-identity-'))
    t.after(() => rmSync(stateDirectory, { recursive: true }))
    const operator = await parseOperatorFile(
      'config.yml',
      `version: 1\nidentity: { issuer: https://ci.example.test }\nproviders: { cloud: ${text} }\n`,
    )
    return new RunIdentity({ file: null, operator, facts, masks: started.masks, stateDirectory }).audienceOf('cloud')
  }
  const pool = '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/provider'
  assert.equal(await audienceFor('{ kind: aws, auth: { method: job-token } }'), 'sts.amazonaws.com')
  assert.equal(await audienceFor('{ kind: aws, audience: mine, auth: { method: job-token } }'), 'mine')
  assert.equal(await audienceFor('{ kind: aws, auth: { method: credentials-file } }'), null)
  assert.equal(await audienceFor('{ kind: azure, auth: { method: job-token } }'), 'api://AzureADTokenExchange')
  assert.equal(await audienceFor('{ kind: azure, auth: { method: client-secret } }'), null)
  assert.equal(await audienceFor(`{ kind: google, auth: { method: job-token, audience: ${pool} } }`), `https:${pool}`)
})
