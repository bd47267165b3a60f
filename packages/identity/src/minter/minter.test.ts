// SPDX-License-Identifier: Apache-2.0
// Tokens as verifiers see them: jose's own verification, with keys that it fetches over HTTP.
import assert from 'node:assert/strict'
import { chmodSync, readdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { HttpServer } from '@sallyport/http'
import { createRemoteJWKSet, decodeProtectedHeader, errors, type JWTPayload, jwtVerify } from 'jose'
import { ISSUER, identity, START_S, TestClock, temporaryDirectory } from '../_identity.ts'
import { ALGORITHMS, type Algorithm, CLOCK_SKEW_S, LIFETIME_S } from '../contract.ts'
import { discoveryHandler } from '../discovery/discovery-handler.ts'
import { PUBLISHED_BEFORE_S, RETIRED_FOR_S } from '../keys/key-ring.ts'
import { readRing } from '../keys/ring-file.ts'
import { KeyStore } from './key-store.ts'
import { Minter } from './minter.ts'

const AUDIENCE = 'https://vault.example.test'

async function openMinter(t: TestContext): Promise<{ minter: Minter; directory: string; clock: TestClock }> {
  const directory = temporaryDirectory(t)
  const clock = new TestClock()
  return { minter: await Minter.open(directory, ISSUER, clock.read), directory, clock }
}

async function mint(minter: Minter, { algorithm = 'RS256' as Algorithm, audience = AUDIENCE, lifetimeS = 300 } = {}): Promise<string> {
  return (await minter.mint({ identity: identity(), audience, algorithm, lifetimeS })).token
}

interface Verifier {
  verify(token: string, atS: number, options?: { audience?: string; clockTolerance?: number }): Promise<JWTPayload>
}

/** Fetches the keys anew, or not before `cacheMaxAge`, as verifiers elsewhere do. */
async function verifier(t: TestContext, directory: string, clock: TestClock): Promise<Verifier> {
  const handle = discoveryHandler({ directory, nowS: clock.read })
  const server = await HttpServer.start({ address: '127.0.0.1', port: 0, handle, onFailure: (error) => assert.fail(String(error)) })
  t.after(() => server[Symbol.asyncDispose]())
  const keys = createRemoteJWKSet(new URL(`${server.url}/jwks`), { cooldownDuration: 0 })
  return {
    verify: async (token, atS, { audience = AUDIENCE, clockTolerance = 0 } = {}) => {
      const options = { issuer: ISSUER, audience, currentDate: new Date(atS * 1000), clockTolerance, algorithms: [...ALGORITHMS] }
      return (await jwtVerify(token, keys, options)).payload
    },
  }
}

test('tokens verify with the published keys, in both algorithms, and say what they were made for', async (t) => {
  const { minter, directory, clock } = await openMinter(t)
  const { verify } = await verifier(t, directory, clock)
  for (const algorithm of ALGORITHMS) {
    const payload = await verify(await mint(minter, { algorithm }), START_S)
    assert.deepEqual(
      { ...payload, jti: typeof payload.jti },
      {
        iss: ISSUER,
        sub: 'repo:acme/app:ref:refs/heads/main',
        aud: AUDIENCE,
        jti: 'string',
        iat: START_S,
        nbf: START_S - CLOCK_SKEW_S,
        exp: START_S + 300,
        repository: 'acme/app',
        repository_owner: 'acme',
        ref: 'refs/heads/main',
        ref_type: 'branch',
        sha: 'a'.repeat(40),
        workflow: 'Release',
        workflow_ref: 'acme/app/.github/workflows/release.yml@refs/heads/main',
        job_workflow_ref: 'acme/app/.github/workflows/release.yml@refs/heads/main',
        workflow_digest: `sha256:${'0'.repeat(64)}`,
        run_id: '20261129-120000-abcd',
        job: 'publish',
        step: '2',
        actor: 'somebody',
        event_name: 'push',
        runner: 'ci-1.example.test',
        isolation: 'oci',
        self_check: 'passed',
      },
    )
  }
})

test('a token is for one audience, one issuer and some minutes, and is not to be changed', async (t) => {
  const { minter, directory, clock } = await openMinter(t)
  const { verify } = await verifier(t, directory, clock)
  const token = await mint(minter)
  await assert.rejects(verify(token, START_S, { audience: 'https://other.example.test' }), errors.JWTClaimValidationFailed)
  await assert.rejects(verify(token, START_S + 300), errors.JWTExpired)
  const [header = '', , signature = ''] = token.split('.')
  const forged = Buffer.from(JSON.stringify({ iss: ISSUER, aud: AUDIENCE, sub: 'repo:acme/other:ref:refs/heads/main' })).toString(
    'base64url',
  )
  await assert.rejects(verify(`${header}.${forged}.${signature}`, START_S), errors.JWSSignatureVerificationFailed)
  const tokens = await Promise.all(
    Array.from({ length: 20 }, () => minter.mint({ identity: identity(), audience: AUDIENCE, algorithm: 'EdDSA', lifetimeS: 300 })),
  )
  assert.equal(new Set(tokens.map(({ jti }) => jti)).size, 20)
})

test('a verifier whose clock is a minute wrong, either way, takes a token', async (t) => {
  const { minter, directory, clock } = await openMinter(t)
  const { verify } = await verifier(t, directory, clock)
  const token = await mint(minter, { lifetimeS: LIFETIME_S.min })
  await verify(token, START_S - CLOCK_SKEW_S)
  await verify(token, START_S + LIFETIME_S.min + CLOCK_SKEW_S - 1, { clockTolerance: CLOCK_SKEW_S })
  await assert.rejects(verify(token, START_S - CLOCK_SKEW_S - 1), errors.JWTClaimValidationFailed)
})

test('what a token may not say, be for, or live is refused, and the next one is made', async (t) => {
  const { minter } = await openMinter(t)
  const good = { identity: identity(), audience: AUDIENCE, algorithm: 'EdDSA', lifetimeS: 300 } as const
  const bad = [
    { identity: identity({ ref: 'refs/heads/a:environment:prod' }) },
    { audience: '' },
    { audience: 'two words' },
    { audience: 'https://*.example.test' },
    { audience: 'x'.repeat(256) },
    { audience: 'a\nb' },
    { lifetimeS: LIFETIME_S.max + 1 },
    { lifetimeS: 0 },
    { lifetimeS: 60.5 },
    { lifetimeS: Number.NaN },
  ]
  for (const change of bad)
    await assert.rejects(minter.mint({ ...good, ...change }), { code: 'IDENTITY_CLAIM_INVALID' }, JSON.stringify(change))
  await minter.mint(good)
})

test('over a rotation every token verifies: the new key was known before, the old one stays until its last token has expired', async (t) => {
  const { minter, directory, clock } = await openMinter(t)
  const { verify } = await verifier(t, directory, clock)
  await verify(await mint(minter), clock.nowS) // It keeps the keys of this moment, the next ones among them.
  clock.nowS += PUBLISHED_BEFORE_S
  const last = await mint(minter, { lifetimeS: LIFETIME_S.max })
  const before = decodeProtectedHeader(last).kid
  await minter.rotate(false)
  const first = await mint(minter)
  assert.notEqual(decodeProtectedHeader(first).kid, before)
  await verify(first, clock.nowS)
  clock.nowS += LIFETIME_S.max - 1
  const later = await verifier(t, directory, clock)
  await later.verify(last, clock.nowS)
  clock.nowS += RETIRED_FOR_S
  const latest = await verifier(t, directory, clock)
  await assert.rejects(latest.verify(last, START_S + PUBLISHED_BEFORE_S), errors.JWKSNoMatchingKey)
  await minter.rotate(true)
  assert.ok((await readRing(directory))?.keys.every(({ kid }) => kid !== before))
})

test('a verifier that has the keys of a day ago needs no new ones after a rotation', async (t) => {
  const { minter, directory, clock } = await openMinter(t)
  const { verify } = await verifier(t, directory, clock)
  await verify(await mint(minter), clock.nowS)
  clock.nowS += PUBLISHED_BEFORE_S
  await minter.rotate(false)
  const token = await mint(minter)
  renameSync(join(directory, 'identity.json'), join(directory, 'away')) // What asks again gets 404.
  await verify(token, clock.nowS)
})

test('a second rotation within a day is refused before anything changes', async (t) => {
  const { minter, directory, clock } = await openMinter(t)
  const files = (): string[] => readdirSync(directory).toSorted()
  const before = files()
  await assert.rejects(minter.rotate(false), { code: 'IDENTITY_TOO_EARLY' })
  assert.deepEqual(files(), before)
  clock.nowS += PUBLISHED_BEFORE_S
  await minter.rotate(false)
  await assert.rejects(minter.rotate(false), { code: 'IDENTITY_TOO_EARLY' })
})

test('after the keys were stolen, no token of before verifies and no private key of before is left', async (t) => {
  const { minter, directory, clock } = await openMinter(t)
  const stolen = readdirSync(directory).filter((name) => name.startsWith('key-'))
  const token = await mint(minter)
  await minter.rotate(true)
  const { verify } = await verifier(t, directory, clock)
  await assert.rejects(verify(token, START_S), errors.JWKSNoMatchingKey)
  await verify(await mint(minter), START_S)
  assert.equal(stolen.filter((name) => readdirSync(directory).includes(name)).length, 0)
})

test('two minters at once make one set of keys, and both follow when one rotates', async (t) => {
  const directory = temporaryDirectory(t)
  const clock = new TestClock()
  const [one, other] = await Promise.all([
    Minter.open(directory, ISSUER, clock.read),
    Minter.open(directory, null, clock.read).catch(() => Minter.open(directory, ISSUER, clock.read)),
  ])
  const kidOf = async (minter: Minter): Promise<unknown> => decodeProtectedHeader(await mint(minter)).kid
  assert.equal(await kidOf(one), await kidOf(other))
  clock.nowS += PUBLISHED_BEFORE_S
  const before = await kidOf(one)
  await other.rotate(false)
  const after = await kidOf(one)
  assert.notEqual(after, before)
  assert.equal(after, await kidOf(other))
  const rotations = await Promise.allSettled([one.rotate(false), other.rotate(false)])
  assert.deepEqual(
    rotations.map(({ status }) => status),
    ['rejected', 'rejected'],
  )
})

test('keys are readable for their owner alone, and are not used when they were not', async (t) => {
  const { minter, directory, clock } = await openMinter(t)
  await mint(minter)
  const keys = readdirSync(directory).filter((name) => name.startsWith('key-'))
  assert.equal(keys.length, 4)
  for (const name of readdirSync(directory)) assert.equal(statSync(join(directory, name)).mode & 0o777, 0o600, name)
  const [first = ''] = keys
  chmodSync(join(directory, first), 0o640)
  await assert.rejects(Minter.open(directory, ISSUER, clock.read), { code: 'IDENTITY_DAMAGED' })
  chmodSync(join(directory, first), 0o600)
  await Minter.open(directory, ISSUER, clock.read)
  chmodSync(directory, 0o770)
  await assert.rejects(Minter.open(directory, ISSUER, clock.read), { code: 'STORE_UNSAFE' })
})

test('files that no minter leaves behind keep it from signing', async (t) => {
  const spoil: Record<string, (directory: string, keys: readonly string[]) => void> = {
    'a key is gone': (directory, [first = '']) => rmSync(join(directory, first)),
    'a key is another one': (directory, [first = '', second = '']) =>
      writeFileSync(join(directory, first), readFileSync(join(directory, second))),
    'a key is none': (directory, [first = '']) => writeFileSync(join(directory, first), 'x'),
    'a key is a link': (directory, [first = '', second = '']) => {
      rmSync(join(directory, first))
      symlinkSync(join(directory, second), join(directory, first))
    },
    'the ring is none': (directory) => writeFileSync(join(directory, 'identity.json'), '{}'),
    'the ring is torn': (directory) => writeFileSync(join(directory, 'identity.json'), '{"issuer":'),
    'a published key is another one': (directory) =>
      edit(directory, (text) => text.replace(/"x": "./g, '"x": "A').replace(/"n": "./g, '"n": "A')),
    'a key has another name': (directory) => edit(directory, (text) => text.replace(/"kid": ".../, '"kid": "AAA')),
    'the issuer is none': (directory) => edit(directory, (text) => text.replace(ISSUER, 'http://elsewhere.example.test')),
  }
  for (const [name, change] of Object.entries(spoil)) {
    const directory = temporaryDirectory(t)
    const clock = new TestClock()
    await Minter.open(directory, ISSUER, clock.read)
    change(
      directory,
      readdirSync(directory).filter((file) => file.startsWith('key-')),
    )
    await assert.rejects(
      Minter.open(directory, null, clock.read),
      (error: Error & { code?: string }) => error.code === 'IDENTITY_DAMAGED' || error.code === 'STORE_UNSAFE',
      name,
    )
  }
})

function edit(directory: string, change: (text: string) => string): void {
  const path = join(directory, 'identity.json')
  const text = readFileSync(path, 'utf8')
  assert.notEqual(change(text), text)
  writeFileSync(path, change(text))
}

test('what a crash left of a rotation is no key, and goes', async (t) => {
  const { directory, clock } = await openMinter(t)
  const keys = readdirSync(directory).toSorted()
  writeFileSync(join(directory, `key-${'A'.repeat(43)}.pem`), 'half', { mode: 0o600 })
  writeFileSync(join(directory, 'identity.json.new'), 'half', { mode: 0o600 })
  const minter = await Minter.open(directory, ISSUER, clock.read)
  assert.deepEqual(
    readdirSync(directory)
      .filter((name) => name !== 'identity.json.new')
      .toSorted(),
    keys,
  )
  clock.nowS += PUBLISHED_BEFORE_S
  await minter.rotate(false)
  await mint(minter)
  assert.equal(readdirSync(directory).length, keys.length)
})

test('keys are those of one issuer, which is a URL that is written in one way', async (t) => {
  const { directory } = await openMinter(t)
  await assert.rejects(KeyStore.open(directory, 'https://other.example.test', START_S), { code: 'IDENTITY_ISSUER' })
  await KeyStore.open(directory, null, START_S)
  await assert.rejects(KeyStore.open(temporaryDirectory(t), null, START_S), { code: 'IDENTITY_ISSUER' })
  const bad = [
    '',
    'ci.example.test',
    'http://ci.example.test',
    'https://ci.example.test/',
    'https://CI.example.test',
    'https://ci.example.test:443',
    'https://ci.example.test?x',
    'https://a:b@ci.example.test',
    'https://ci.example.test#x',
    'file:///x',
    `https://ci.example.test/${'x'.repeat(255)}`,
  ]
  for (const issuer of bad) await assert.rejects(KeyStore.open(join(directory, 'no'), issuer, START_S), { code: 'IDENTITY_ISSUER' }, issuer)
})
