// SPDX-License-Identifier: Apache-2.0
// Credentials that a job uses and never has: a key of AWS that signs at the gate, and an identity token that the gate puts in.
import assert from 'node:assert/strict'
import { appendFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { Internet } from '../_internet/internet.ts'
import { type JsonRun, World } from '../_world.ts'

const world = new World()
let internet: Internet

before(async () => {
  internet = await Internet.start()
})
after(async () => {
  await internet[Symbol.asyncDispose]()
  await world[Symbol.asyncDispose]()
})

const AUDIENCE = 'https://web.test'
const KEY = { access_key_id: 'AKIAREALREALREALREAL', secret_access_key: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYREALKEY01' }

function run(steps: string, access: string, more = ''): Promise<JsonRun> {
  const workflow = `on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n${steps}`
  const config = internet.operatorFile()
  appendFileSync(config, more)
  const env = { AWS: JSON.stringify(KEY) }
  const file = `version: 1\negress: [{ host: web.test, port: 443, methods: [GET, POST] }, { host: api.test, port: 443, methods: [GET] }]\n${access}`
  return world.runJson(world.workflow(workflow, { 'sallyport.yml': file }), ['--config', config, '--secret', 'AWS'], {
    wrap: internet.wrap,
    env,
  })
}

const refused = ({ events }: JsonRun, code: string): readonly string[] =>
  events.flatMap(({ type, data }) => (type === 'door.refused' && data['code'] === code ? [String(data['target'])] : []))

test('curl signs for AWS with a placeholder, and the server gets a signature of the key, for the service and region of the grant alone', async () => {
  const ran = await run(
    `
      - id: upload
        run: |
          sign() { curl -sS --aws-sigv4 "aws:amz:$1" --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" "$2" || true; }
          echo "\${#AWS_ACCESS_KEY_ID} \${#AWS_SECRET_ACCESS_KEY} \${AWS_ACCESS_KEY_ID:0:4} \${AWS_SESSION_TOKEN-none}"
          sign eu-central-1:s3 https://web.test/title
          sign us-east-1:s3 https://web.test/region
          sign eu-central-1:iam https://web.test/service
          sign eu-central-1:s3 https://api.test/title
          curl -sS -H "X-Key: $AWS_SECRET_ACCESS_KEY" https://web.test/title || true
          AWS_SECRET_ACCESS_KEY=guessed
          sign eu-central-1:s3 https://web.test/key
          env; cat /proc/[0-9]*/environ | tr '\\0' '\\n'
`,
    'jobs: { build: { steps: { upload: { secrets: { AWS: { in: { aws: { service: s3, regions: [eu-central-1] } } } } } } } }\nsecrets: { AWS: { hosts: [web.test] } }\n',
  )
  assert.equal(ran.exitCode, 0, ran.why)
  assert.match(ran.output('build', '1'), /^20 39 AKIA none$/m)
  const arrived = (await internet.arrivals()).map(({ authorization }) => String(authorization)).filter((text) => text.startsWith('AWS4'))
  assert.equal(arrived.length, 1)
  assert.match(
    arrived[0] ?? '',
    /^AWS4-HMAC-SHA256 Credential=AKIAREALREALREALREAL\/\d{8}\/eu-central-1\/s3\/aws4_request, SignedHeaders=host;/,
  )
  const hosts = ['api.test/title', 'web.test/key', 'web.test/region', 'web.test/service']
  assert.deepEqual(
    refused(ran, 'signature').toSorted(),
    hosts.map((place) => `GET https://${place}`),
  )
  assert.deepEqual(refused(ran, 'placeholder'), ['GET https://web.test/title'])
  const handed = ran.document.secrets.map(({ name, delivery }) => `${name} ${delivery}`)
  assert.deepEqual(handed, ['AWS placeholder'])
  for (const part of Object.values(KEY)) assert.ok(!ran.stdout.includes(part), part)
})

const ASK = `curl -sS -H "authorization: bearer $ACTIONS_ID_TOKEN_REQUEST_TOKEN" "$ACTIONS_ID_TOKEN_REQUEST_URL" | sed 's/.*"value":"\\([^"]*\\)".*/\\1/'`

test('a token for a host behind the gate is a placeholder in the job, which is worth nothing elsewhere and nothing after the step', async () => {
  const ran = await run(
    `
      - id: login
        run: |
          token=$(${ASK})
          echo "\${#token} $(printf %s "$token" | tr -cd . | wc -c)"
          curl -sSf -H "Authorization: Bearer $token" https://web.test/echo
          curl -sS -H "Authorization: Bearer $token" https://api.test/title || true
          curl -sS -H "X-Token: $token" https://web.test/title || true
          curl -sS -d "$token" https://web.test/upload || true
          echo "token=$token" >> "$GITHUB_OUTPUT"
      - run: |
          curl -sSf -o /dev/null -H "Authorization: Bearer $T" https://web.test/title
        env: { T: '\${{ steps.login.outputs.token }}' }
`,
    `jobs: { build: { steps: { login: { identity: { audiences: [{ audience: '${AUDIENCE}', hosts: [web.test], algorithm: EdDSA, lifetime: 2m }] } } } } }\n`,
    `identity: { issuer: https://ci.example.test, allow: [{ audiences: ['${AUDIENCE}'], deliver: placeholder }], lifetime: 5m }\n`,
  )
  assert.equal(ran.exitCode, 0, ran.why)
  const bearers = (await internet.arrivals())
    .map(({ authorization }) => String(authorization))
    .filter((text) => text.startsWith('Bearer ey'))
  assert.equal(bearers.length, 2)
  const [token = '', stale = ''] = bearers.map((text) => text.slice('Bearer '.length))
  const [claims, others] = [token, stale].map(
    (each) => JSON.parse(Buffer.from(each.split('.')[1] ?? '', 'base64url').toString()) as Record<string, number>,
  )
  assert.deepEqual(claims, others, 'a placeholder reads like its token')
  assert.notEqual(token, stale)
  assert.equal((claims?.['exp'] ?? 0) - (claims?.['iat'] ?? 0), 120)
  const text = ran.output('build', '1')
  // The server said what it got, which is the token; the gate has put the placeholder back.
  assert.ok(text.includes(stale.split('.')[2] ?? ''), text)
  assert.ok(!ran.stdout.includes(token.split('.')[2] ?? ''))
  assert.deepEqual(refused(ran, 'placeholder').toSorted(), [
    'GET https://api.test/title',
    'GET https://web.test/title',
    'POST https://web.test/upload',
  ])
})

test('an operator who allows placeholders alone gives no step the token itself', async () => {
  const ran = await run(
    `\n      - id: login\n        run: env | grep ACTIONS_ID_TOKEN || echo none\n`,
    `jobs: { build: { steps: { login: { identity: { audiences: ['${AUDIENCE}'] } } } } }\n`,
    `identity: { issuer: https://ci.example.test, allow: [{ audiences: ['${AUDIENCE}'], deliver: placeholder }] }\n`,
  )
  assert.equal(ran.exitCode, 0, ran.why)
  assert.equal(ran.output('build', '1'), 'none\n')
  assert.deepEqual(
    ran.events.filter(({ type }) => type.startsWith('identity.')).map(({ type, data }) => `${type} ${data['code']}`),
    ['identity.denied ceiling'],
  )
})
