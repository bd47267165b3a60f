// SPDX-License-Identifier: Apache-2.0
// Identity tokens: the client that actions use gets one through the gate, for the audiences of its own step's grant, and nobody else gets any.
import assert from 'node:assert/strict'
import { createPublicKey, verify } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { build } from 'esbuild'
import { commit, git, type JsonRun, World, writeFiles } from '../_world.ts'

const ISSUER = 'https://ci.example.test'
const VAULT = 'https://vault.example.test'
const CLOUD = 'sts.example.test'

const world = new World()
let action: Readonly<Record<string, string>>

const ACTION = `
name: token
description: asks for one
inputs: { audience: { description: for whom, required: true } }
runs: { using: node24, main: index.js }
`

/** Backwards it is no form that the redactor knows: that is how this test gets at it. */
const CLIENT = `
import { appendFileSync } from 'node:fs'
import { getIDToken, getInput } from '@actions/core'
getIDToken(getInput('audience')).then((token) => {
  console.log('plain ' + token)
  console.log('backwards ' + [...token].reverse().join(''))
  appendFileSync('stolen', process.env.ACTIONS_ID_TOKEN_REQUEST_TOKEN)
})
`

/** One file, as published actions are. */
async function bundle(contents: string): Promise<string> {
  const stdin = { contents, resolveDir: import.meta.dirname }
  const built = await build({ stdin, bundle: true, platform: 'node', format: 'cjs', write: false, logLevel: 'error' })
  return built.outputFiles[0]?.text ?? ''
}

before(async () => {
  action = { 'token/action.yml': ACTION, 'token/index.js': await bundle(CLIENT) }
})
after(() => world[Symbol.asyncDispose]())

const WORKFLOW = `on: [push, pull_request]
jobs:
  build:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - { id: first, uses: ./token, with: { audience: '${VAULT}' } }
      - id: second
        run: |
          ask() { curl -sS -o answer -w '%{http_code} ' -H "authorization: bearer $1" "$ACTIONS_ID_TOKEN_REQUEST_URL$2"; }
          ask "$(cat stolen)" '&audience=${CLOUD}'
          ask "$ACTIONS_ID_TOKEN_REQUEST_TOKEN" '&audience=${VAULT}'
          ask "$ACTIONS_ID_TOKEN_REQUEST_TOKEN" ''
          cat answer
          echo
          echo "$ACTIONS_ID_TOKEN_REQUEST_TOKEN"
      - run: |
          env | grep ACTIONS_ID_TOKEN || echo none
          curl -sS -H "authorization: bearer $(cat stolen)" 'http://token.sallyport.internal/token?api-version=2.0' || echo no way
`

const ACCESS = `version: 1
jobs:
  build:
    steps:
      first: { identity: { audiences: ['${VAULT}'] } }
      second: { identity: { audiences: ['${CLOUD}'], when: { refs: [refs/heads/*] } } }
`

function operatorFile(text: string): string {
  const path = join(world.directory, `operator-${text.length}.yml`)
  writeFileSync(path, `version: 1\n${text}`)
  return path
}

const issuing = (): readonly string[] => ['--config', operatorFile(`identity: { issuer: '${ISSUER}' }\n`)]

const eventsOf = ({ events }: JsonRun, pattern: RegExp): readonly string[] =>
  events.flatMap(({ type, step, data }) =>
    pattern.test(type) ? [`${step} ${type} ${data['reason'] ?? data['audience'] ?? data['audiences']}`] : [],
  )

/** Without any code of ours. */
async function verified(token: string): Promise<Record<string, unknown>> {
  const directory = join(world.directory, 'exported')
  const exported = await world.start(['identity', 'export', directory, '--state', world.state]).result
  assert.equal(exported.exitCode, 0, exported.stderr)
  const { keys } = JSON.parse(readFileSync(join(directory, 'jwks'), 'utf8')) as { keys: { kid: string }[] }
  const [header = '', payload = '', signature = ''] = token.split('.')
  const { kid, alg } = JSON.parse(Buffer.from(header, 'base64url').toString()) as { kid: string; alg: string }
  assert.equal(alg, 'RS256')
  const key = createPublicKey({ key: keys.find((one) => one.kid === kid) ?? assert.fail('an unknown key'), format: 'jwk' })
  assert.ok(verify('sha256', Buffer.from(`${header}.${payload}`), key, Buffer.from(signature, 'base64url')))
  return JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>
}

function filesBelow(directory: string): readonly string[] {
  const entries = readdirSync(join(world.state, directory), { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name))
}

test('a granted step gets tokens, for its own audiences, with its own request token', async () => {
  const repository = world.workflow(WORKFLOW, { 'sallyport.yml': ACCESS, ...action })
  const ran = await world.runJson(repository, issuing())
  assert.equal(ran.exitCode, 0, ran.why)
  const said = ran.output('build', '2')
  assert.match(said, /^plain \*\*\*$/m)
  const token = [...(/^backwards (.*)$/m.exec(said)?.[1] ?? '')].reverse().join('')
  const claims = await verified(token)
  const sha = git(repository, 'rev-parse', 'HEAD')
  const { iss, aud, sub, job, step, self_check: selfCheck, event_name: event } = claims
  assert.deepEqual(
    { iss, aud, job, step, selfCheck, event, sha: claims['sha'], run: claims['run_id'] },
    { iss: ISSUER, aud: VAULT, job: 'build', step: 'first', selfCheck: 'passed', event: 'push', sha, run: ran.document.id },
  )
  assert.equal(sub, `repo:${claims['repository']}:ref:refs/heads/main`)
  const [answers = '', masked] = ran.output('build', '3').split('\n')
  assert.match(answers, /^401 403 200 \{"count":\d+,"value":"\*\*\*"\}$/)
  assert.equal(masked, '***')
  assert.match(ran.output('build', '4'), /^none\n[\s\S]*no way\n$/)
  assert.deepEqual(eventsOf(ran, /^identity\./), [
    `2 identity.granted ${VAULT}`,
    `2 identity.minted ${VAULT}`,
    `3 identity.granted ${CLOUD}`,
    '3 identity.refused wrong-token',
    '3 identity.refused audience-not-granted',
    `3 identity.minted ${CLOUD}`,
  ])
  const logged = await world.run(['audit', 'show', '--type', 'identity.minted', '--json'])
  assert.equal(logged.exitCode, 0, logged.stderr)
  assert.ok(logged.stdout.includes(String(claims['jti'])), logged.stdout)
  for (const path of ['runs', 'audit', 'identity'].flatMap(filesBelow)) assert.ok(!readFileSync(path).includes(token), path)
})

test('a fork’s pull request gets no token, and no process that could sign one is started', async () => {
  const fresh = new World()
  after(() => fresh[Symbol.asyncDispose]())
  const repository = world.workflow(
    WORKFLOW.replace(/ {6}- \{ id: first.*\n/, '')
      .replace(/ask [^\n]*/g, 'true')
      .replace('cat answer', 'true'),
    {
      'sallyport.yml': ACCESS,
      ...action,
    },
  )
  const sha = git(repository, 'rev-parse', 'HEAD')
  git(repository, 'checkout', '-q', '-b', 'topic')
  writeFiles(repository, { stolen: 'x' })
  commit(repository)
  const payload = join(world.directory, 'fork.json')
  const head = { ref: 'topic', repo: { full_name: 'eve/tool' } }
  writeFileSync(payload, JSON.stringify({ pull_request: { head, base: { ref: 'main', sha, repo: { full_name: 'acme/tool' } } } }))
  const ran = await fresh.runJson(repository, ['--event', 'pull_request', '--payload', payload, ...issuing()])
  assert.equal(ran.exitCode, 0, ran.why)
  assert.match(ran.output('build', '3'), /^none\n[\s\S]*no way\n$/)
  const denied = ran.events.filter(({ type }) => type.startsWith('identity.')).map(({ type, data }) => `${type} ${data['code']}`)
  assert.deepEqual(denied, ['identity.denied fork'])
  assert.ok(!existsSync(join(fresh.state, 'identity')))
})

test('a grant where nobody issues tokens is an error before anything starts, and says what to add', async () => {
  const repository = world.workflow(WORKFLOW, { 'sallyport.yml': ACCESS, ...action })
  const ran = await world.run(['run', '--config', operatorFile('')], { cwd: repository })
  assert.equal(ran.exitCode, 2, ran.stderr)
  assert.match(ran.stderr, /IDENTITY_NOT_CONFIGURED[\s\S]*sallyport\.yml:5[\s\S]*identity: \{ issuer: https:\/\//)
})

test('the same for an issuer that is none, or another one’s keys', async () => {
  const repository = world.workflow(WORKFLOW, { 'sallyport.yml': ACCESS, ...action })
  for (const issuer of ['ci.example.test', 'https://other.example.test']) {
    const ran = await world.run(['run', '--config', operatorFile(`identity: { issuer: '${issuer}' }\n`)], { cwd: repository })
    assert.equal(ran.exitCode, 2, ran.stderr)
    assert.match(ran.stderr, /IDENTITY_ISSUER/)
  }
})
