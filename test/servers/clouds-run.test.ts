// SPDX-License-Identifier: Apache-2.0
// A workflow that reads a secret from each cloud as itself: AWS as moto emulates it, and our doubles of Azure and Google. What they are shown is a token of our issuer, for the audience that each takes.
import assert from 'node:assert/strict'
import { createPublicKey, verify } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { AzureDouble, CLIENT_ID, TENANT } from '../../packages/secrets/src/providers/azure/_azure-double.ts'
import { DoubleServer } from '../../packages/secrets/src/providers/cloud/_double-server.ts'
import { AUDIENCE, GoogleDouble } from '../../packages/secrets/src/providers/google/_google-double.ts'
import { World } from '../_world.ts'
import { Moto } from './_moto.ts'

const ISSUER = 'https://ci.example.test'

const world = new World()
const azure = new AzureDouble()
const google = new GoogleDouble()
/** What the doubles were shown, by the audience for which they take it. */
const shown: string[] = []
let moto: Moto
let servers: DoubleServer[] = []

/** As a cloud does, but for the signature, which is looked at once the keys are exported. */
function admit(double: AzureDouble | GoogleDouble, token: string | null, audience: string): void {
  if (token === null || claimsOf(token)['aud'] !== audience) return
  shown.push(token)
  double.tokens.add(token)
}

const claimsOf = (token: string): Record<string, unknown> =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Record<string, unknown>

before(async () => {
  moto = await Moto.start()
  await moto.iam({ Action: 'CreateRole', RoleName: 'ci', AssumeRolePolicyDocument: '{"Version":"2012-10-17","Statement":[]}' })
  await moto.secrets('CreateSecret', { Name: 'ci/token', SecretString: 'of-aws-0123456789' })
  azure.put('token', Buffer.from('of-azure-0123456789'))
  google.put('token', Buffer.from('of-google-0123456789'))
  servers = [
    await DoubleServer.start((request) => {
      admit(azure, new URLSearchParams(String(request.body)).get('client_assertion'), 'api://AzureADTokenExchange')
      return azure.respond(request)
    }, null),
    await DoubleServer.start((request) => {
      admit(google, new URLSearchParams(String(request.body)).get('subject_token'), `https:${AUDIENCE}`)
      return google.respond(request)
    }, null),
  ]
})
after(async () => {
  for (const server of servers) await server[Symbol.asyncDispose]()
  await moto?.[Symbol.asyncDispose]()
  await world[Symbol.asyncDispose]()
})

const OF = ['aws', 'azure', 'google'] as const

function operatorFile(): string {
  const [ofAzure, ofGoogle] = servers.map(({ port }) => `http://127.0.0.1:${port}`)
  const path = join(world.directory, 'operator.yml')
  writeFileSync(
    path,
    `version: 1
hostLogs: off
identity: { issuer: '${ISSUER}' }
providers:
  aws:
    kind: aws
    region: eu-central-1
    endpoints: { sts: '${moto.address}', secretsmanager: '${moto.address}' }
    auth: { method: job-token, role: 'arn:aws:iam::123456789012:role/ci' }
  azure:
    kind: azure
    vault: '${ofAzure}'
    login: '${ofAzure}'
    auth: { method: job-token, tenant: ${TENANT}, client-id: ${CLIENT_ID} }
  google:
    kind: google
    project: my-project
    endpoints: { secretmanager: '${ofGoogle}', sts: '${ofGoogle}', iamcredentials: '${ofGoogle}' }
    auth: { method: job-token, audience: '${AUDIENCE}' }
`,
  )
  return path
}

test('each job logs in to each cloud as itself, and its steps have what they read there', async () => {
  const steps = OF.map(
    (name) => `      - { id: ${name}, run: 'test "$T" = of-${name}-0123456789', env: { T: '\${{ secrets.${name.toUpperCase()} }}' } }`,
  )
  const repository = world.workflow(`on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n${steps.join('\n')}\n`, {
    'sallyport.yml': `version: 1
jobs: { build: { steps: { ${OF.map((name) => `${name}: { secrets: { ${name.toUpperCase()}: { deliver: env } } }`).join(', ')} } } }
secrets:
  AWS: { from: aws, path: ci/token }
  AZURE: { from: azure, path: token }
  GOOGLE: { from: google, path: token }
`,
  })
  const ran = await world.runJson(repository, ['--config', operatorFile()])
  assert.equal(ran.exitCode, 0, ran.why)
  const minted = ran.events
    .filter(({ type }) => type === 'identity.minted')
    .map(({ step, data }) => [step, data['provider'], data['audience']])
  assert.deepEqual(minted, [
    ['1', 'aws', 'sts.amazonaws.com'],
    ['2', 'azure', 'api://AzureADTokenExchange'],
    ['3', 'google', `https:${AUDIENCE}`],
  ])
  assert.equal(shown.length, 2)
  const directory = join(world.directory, 'exported')
  const exported = await world.start(['identity', 'export', directory, '--state', world.state]).result
  assert.equal(exported.exitCode, 0, exported.stderr)
  const { keys } = JSON.parse(readFileSync(join(directory, 'jwks'), 'utf8')) as { keys: { kid: string; alg: string }[] }
  const key = createPublicKey({ key: keys.find(({ alg }) => alg === 'RS256') ?? assert.fail('no key'), format: 'jwk' })
  for (const token of shown) {
    const at = token.lastIndexOf('.')
    assert.ok(verify('sha256', Buffer.from(token.slice(0, at)), key, Buffer.from(token.slice(at + 1), 'base64url')))
    assert.deepEqual([claimsOf(token)['iss'], claimsOf(token)['job'], claimsOf(token)['run_id']], [ISSUER, 'build', ran.document.id])
  }
})
