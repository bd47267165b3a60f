// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { get } from 'node:https'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { makeTemporaryDirectory, type Outcome, runCli } from '../_harness.ts'
import { makeState, RunningCommand } from './_audit.ts'
import { registerIdentityServe } from './identity-serve.ts'

const ISSUER = 'https://ci.example.test/sallyport'
/** The clock of commands here stands still before any key was made: what they make is of now, and published anyhow. */
const atNow = { context: (context: { now: () => number }): void => void Object.assign(context, { now: Date.now }) }

interface Keys {
  readonly issuer: string
  readonly keys: readonly { readonly kid: string; readonly algorithm: string; readonly state: string; readonly expiresAt: string | null }[]
}

function identity(state: string, ...argv: readonly string[]): Promise<Outcome> {
  return runCli(['identity', ...argv, '--state', state], atNow)
}

async function keysOf(state: string, ...argv: readonly string[]): Promise<Keys> {
  const { stdout, stderr, exitCode } = await identity(state, 'keys', '--json', ...argv)
  assert.equal(exitCode, 0, stderr)
  return JSON.parse(stdout) as Keys
}

test('the first command makes the keys of an issuer, which has to be named then', async (t) => {
  const state = makeState(t)
  const unnamed = await identity(state, 'keys')
  assert.equal(unnamed.exitCode, 2)
  assert.match(unnamed.stderr, /error\[IDENTITY_ISSUER\].*\n.*--issuer/)
  const { issuer, keys } = await keysOf(state, '--issuer', ISSUER)
  assert.equal(issuer, ISSUER)
  assert.deepEqual(
    keys.map(({ algorithm, state: stands }) => `${algorithm} ${stands}`),
    ['RS256 current', 'RS256 next', 'EdDSA current', 'EdDSA next'],
  )
  assert.deepEqual(await keysOf(state), { issuer, keys })
  const other = await identity(state, 'keys', '--issuer', 'https://other.example.test')
  assert.equal(other.exitCode, 2)
  assert.match((await identity(state, 'keys')).stdout, new RegExp(`^${ISSUER}\ncurrent +RS256 +[\\w-]{43} +published `))
})

test('a rotation waits until the next keys could be known; one after a theft does not', async (t) => {
  const state = makeState(t)
  const before = await keysOf(state, '--issuer', ISSUER)
  const early = await identity(state, 'rotate')
  assert.equal(early.exitCode, 3)
  assert.match(early.stderr, /error\[IDENTITY_TOO_EARLY\].*\n.*--compromised/)
  assert.deepEqual(await keysOf(state), before)
  const { stdout, exitCode } = await identity(state, 'rotate', '--compromised', '--json')
  assert.equal(exitCode, 0)
  const after = JSON.parse(stdout) as Keys
  assert.deepEqual(await keysOf(state), after)
  const known = new Set(before.keys.map(({ kid }) => kid))
  assert.ok(after.keys.every(({ kid }) => !known.has(kid)))
})

test('the documents are written as files that a web server can read', async (t) => {
  const state = makeState(t)
  const target = join(makeTemporaryDirectory(t), 'www')
  const { exitCode, stdout, stderr } = await identity(state, 'export', target, '--issuer', ISSUER, '--json')
  assert.equal(exitCode, 0, stderr)
  const { files, staleAt } = JSON.parse(stdout) as { files: string[]; staleAt: string | null }
  assert.deepEqual([files, staleAt], [[join(target, '.well-known/openid-configuration'), join(target, 'jwks')], null])
  for (const file of files) assert.equal(statSync(file).mode & 0o777, 0o644)
  const discovery = JSON.parse(readFileSync(files[0] ?? '', 'utf8')) as { jwks_uri: string }
  assert.equal(discovery.jwks_uri, `${ISSUER}/jwks`)
  const { keys } = JSON.parse(readFileSync(files[1] ?? '', 'utf8')) as { keys: { kid: string }[] }
  assert.deepEqual(
    keys.map(({ kid }) => kid),
    (await keysOf(state)).keys.map(({ kid }) => kid),
  )
  mkdirSync(join(target, 'taken/jwks'), { recursive: true })
  assert.match((await identity(state, 'export', join(target, 'taken'))).stderr, /error\[STORE_UNSAFE\]: Cannot write/)
})

async function serve(state: string, ...argv: readonly string[]): Promise<{ command: RunningCommand; url: string }> {
  const command = new RunningCommand(registerIdentityServe, ['serve', '--listen', '127.0.0.1:0', '--state', state, '--json', ...argv])
  const { url, issuer } = await command.document<{ url: string; issuer: string }>()
  assert.equal(issuer, ISSUER)
  return { command, url }
}

test('serve shows the two documents below the path of the issuer, and nothing else', async (t) => {
  const state = makeState(t)
  const { command, url } = await serve(state, '--issuer', ISSUER)
  const discovery = await fetch(`${url}/sallyport/.well-known/openid-configuration`)
  assert.deepEqual(
    [discovery.status, discovery.headers.get('content-type'), discovery.headers.get('cache-control')],
    [200, 'application/json', 'public, max-age=300'],
  )
  assert.equal(((await discovery.json()) as { issuer: string }).issuer, ISSUER)
  assert.equal(((await (await fetch(`${url}/sallyport/jwks`)).json()) as { keys: unknown[] }).keys.length, 4)
  for (const path of [
    '/jwks',
    '/.well-known/openid-configuration',
    '/sallyport',
    '/sallyport/identity.json',
    '/sallyport/../identity.json',
    '/sallyport/jwks/',
  ])
    assert.equal((await fetch(`${url}${path}`)).status, 404, path)
  assert.equal((await fetch(`${url}/sallyport/jwks`, { method: 'POST' })).status, 405)
  await identity(state, 'rotate', '--compromised')
  const { keys } = (await (await fetch(`${url}/sallyport/jwks`)).json()) as { keys: { kid: string }[] }
  assert.deepEqual(
    keys.map(({ kid }) => kid),
    (await keysOf(state)).keys.map(({ kid }) => kid),
  )
  await command.signal('SIGTERM')
  assert.equal(command.exitCode, 0)
  assert.match(command.stderr, /^sallyport: serving the keys of https:\/\/ci\.example\.test\/sallyport at http:\/\/127\.0\.0\.1:\d+\/\n$/)
})

test('serve speaks TLS with a certificate of its own', async (t) => {
  const { cert, key } = makeCertificate(t)
  const { command, url } = await serve(makeState(t), '--issuer', ISSUER, '--tls-cert', cert, '--tls-key', key)
  assert.match(url, /^https:/)
  const status = await new Promise((resolve, reject) => {
    get(`${url}/sallyport/jwks`, { ca: readFileSync(cert, 'utf8') }, (answer) => resolve(answer.resume().statusCode)).on('error', reject)
  })
  assert.equal(status, 200)
  await command.signal('SIGINT')
  const half = new RunningCommand(registerIdentityServe, ['serve', '--state', makeState(t), '--tls-cert', cert])
  await half.ended
  assert.match(half.stderr, /error\[USAGE\]: --tls-cert and --tls-key go together/)
})

function makeCertificate(t: TestContext): { readonly cert: string; readonly key: string } {
  const directory = makeTemporaryDirectory(t)
  const [cert, key] = [join(directory, 'cert.pem'), join(directory, 'key.pem')]
  const kind = [
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-subj',
    '/CN=test',
    '-addext',
    'subjectAltName=IP:127.0.0.1',
  ]
  execFileSync('openssl', ['req', '-x509', ...kind, '-keyout', key, '-out', cert, '-days', '3650'], { stdio: 'ignore' })
  return { cert, key }
}

test('check names file, place, what is wrong and what would be right', async (t) => {
  const directory = makeTemporaryDirectory(t)
  const sound = { bound_audiences: ['x'], bound_claims: { sub: 'repo:acme/app:ref:refs/heads/main' } }
  writeFileSync(join(directory, 'sound.json'), JSON.stringify(sound))
  writeFileSync(
    join(directory, 'broad.json'),
    `{\n  "bound_audiences": ["x"],\n  "bound_claims_type": "glob",\n  "bound_claims": { "sub": "repo:acme\\u001b[2J*" }\n}`,
  )
  const good = await runCli(['identity', 'check', 'sound.json'], { directory })
  assert.deepEqual([good.exitCode, good.stdout], [0, 'sound.json: nothing found (vault)\n'])
  const bad = await runCli(['identity', 'check', 'sound.json', 'broad.json'], { directory })
  assert.equal(bad.exitCode, 1)
  assert.match(bad.stdout, /^broad\.json:4:28: repository-broad: .*\n {2}at bound_claims\.sub\n {2}write "bound_claims": /m)
  assert.ok(!bad.stdout.includes('\u001b'))
  const json = await runCli(['identity', 'check', 'sound.json', 'broad.json', '--json'], { directory })
  const { files } = JSON.parse(json.stdout) as { files: { kind: string; findings: { rule: string; line: number; path: string }[] }[] }
  assert.deepEqual(
    files.map(({ kind, findings }) => [kind, ...findings.map(({ rule, line, path }) => `${rule} ${line} ${path}`)]),
    [['vault'], ['vault', 'repository-broad 4 bound_claims.sub']],
  )
})

test('check refuses what is no policy, and what is no file', async (t) => {
  const directory = makeTemporaryDirectory(t)
  writeFileSync(join(directory, 'no.json'), '{"a": 1}')
  const none = await runCli(['identity', 'check', 'no.json'], { directory })
  assert.deepEqual([none.exitCode, /error\[TRUST_POLICY_INVALID\]: no\.json:1:1: /.test(none.stderr)], [2, true])
  const absent = await runCli(['identity', 'check', 'absent.json'], { directory })
  assert.deepEqual([absent.exitCode, /error\[FILE_UNREADABLE\]/.test(absent.stderr)], [2, true])
})
