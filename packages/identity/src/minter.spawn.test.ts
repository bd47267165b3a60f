// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose'
import { ISSUER, identity, temporaryDirectory } from './_identity.ts'
import { jwksDocument } from './discovery/documents.ts'
import { readRing } from './keys/ring-file.ts'
import { startMinter } from './minter.spawn.ts'

const AUDIENCE = 'sts.example.test'

/** The processes that were started for this directory. */
function pidsOf(directory: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^[0-9]+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid && commandLine(pid).includes(directory))
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return '' // It has ended since.
  }
}

async function gone(directory: string): Promise<boolean> {
  for (let attempt = 0; attempt < 200 && pidsOf(directory).length > 0; attempt += 1) await sleep(10)
  return pidsOf(directory).length === 0
}

type KeySet = ReturnType<typeof createLocalJWKSet>

async function keysOf(directory: string): Promise<KeySet> {
  const ring = await readRing(directory)
  assert.ok(ring !== null)
  return createLocalJWKSet(JSON.parse(jwksDocument(ring, Math.floor(Date.now() / 1000))) as Parameters<typeof createLocalJWKSet>[0])
}

test('the process mints, and says what may be recorded', async (t) => {
  const directory = temporaryDirectory(t)
  using minter = await startMinter(directory, ISSUER)
  const minted = await minter.mint({ identity: identity(), audience: AUDIENCE, algorithm: 'EdDSA', lifetimeS: 60 })
  const { payload, protectedHeader } = await jwtVerify(minted.token, await keysOf(directory), { issuer: ISSUER, audience: AUDIENCE })
  assert.deepEqual(
    [minted.kid, minted.jti, minted.subject, minted.expiresAtS],
    [protectedHeader.kid, payload.jti, payload.sub, payload.exp],
  )
  assert.equal(minted.placeholder, null)
})

test('a placeholder has the shape and the claims of the token, and no verifier takes it', async (t) => {
  const directory = temporaryDirectory(t)
  using minter = await startMinter(directory, ISSUER)
  const { token, placeholder } = await minter.mint({ identity: identity(), audience: AUDIENCE, as: 'placeholder' })
  assert.ok(placeholder !== null)
  assert.match(placeholder, /^[\w-]+\.[\w-]+\.[\w-]+$/)
  assert.deepEqual(decodeJwt(placeholder), decodeJwt(token))
  assert.deepEqual(decodeProtectedHeader(placeholder), { alg: 'sallyport-placeholder', kid: 'sallyport-placeholder', typ: 'JWT' })
  assert.equal(placeholder.split('.')[2]?.length, token.split('.')[2]?.length)
  await assert.rejects(jwtVerify(placeholder, await keysOf(directory)))
  const [header = ''] = token.split('.')
  await assert.rejects(jwtVerify([header, ...placeholder.split('.').slice(1)].join('.'), await keysOf(directory)))
})

test('a refusal is an answer, with its reason, and the process goes on', async (t) => {
  using minter = await startMinter(temporaryDirectory(t), ISSUER)
  await assert.rejects(minter.mint({ identity: identity({ ref: 'refs/heads/a:b' }), audience: AUDIENCE }), {
    code: 'IDENTITY_CLAIM_INVALID',
    message: /claim ref/,
  })
  await assert.rejects(minter.rotate({ isCompromised: false }), { code: 'IDENTITY_TOO_EARLY' })
  await minter.mint({ identity: identity(), audience: AUDIENCE })
})

test('it cannot be dumped, and has nothing of its keys in its command line or environment', async (t) => {
  const directory = temporaryDirectory(t)
  using _minter = await startMinter(directory, ISSUER)
  const [pid = 0] = pidsOf(directory)
  assert.match(readFileSync(`/proc/${pid}/limits`, 'utf8'), /^Max core file size +0 +0 /m)
  assert.equal(readFileSync(`/proc/${pid}/environ`, 'utf8'), '')
  assert.doesNotMatch(commandLine(pid), /PRIVATE/)
})

test('a killed minter is known at once, and the next one goes on with the same keys', async (t) => {
  const directory = temporaryDirectory(t)
  using minter = await startMinter(directory, ISSUER)
  const before = await minter.mint({ identity: identity(), audience: AUDIENCE })
  const asked = minter.mint({ identity: identity(), audience: AUDIENCE })
  for (const pid of pidsOf(directory)) process.kill(pid, 'SIGKILL')
  await asked.catch(() => undefined)
  await assert.rejects(minter.mint({ identity: identity(), audience: AUDIENCE }), { code: 'IDENTITY_LOST' })
  using next = await startMinter(directory, null)
  const after = await next.mint({ identity: identity(), audience: AUDIENCE })
  assert.equal(after.kid, before.kid)
  await jwtVerify(before.token, await keysOf(directory))
})

test('a minter that is killed in the middle of replacing its keys leaves some that work', async (t) => {
  const directory = temporaryDirectory(t)
  for (let attempt = 0; attempt < 5; attempt += 1) {
    using minter = await startMinter(directory, ISSUER)
    const rotated = minter.rotate({ isCompromised: true }).then(
      () => true,
      () => false,
    )
    // From before the first key is made to after the last one is written: some are killed here, some there
    await sleep(attempt * 60)
    for (const pid of pidsOf(directory)) process.kill(pid, 'SIGKILL')
    await rotated
    using next = await startMinter(directory, null)
    const { token } = await next.mint({ identity: identity(), audience: AUDIENCE })
    await jwtVerify(token, await keysOf(directory))
    assert.equal(readdirSync(directory).filter((name) => name.startsWith('key-') && name.endsWith('.pem')).length, 4)
  }
})

test('it ends with its client', async (t) => {
  const directory = temporaryDirectory(t)
  const minter = await startMinter(directory, ISSUER)
  minter[Symbol.dispose]()
  assert.equal(await gone(directory), true)
  await assert.rejects(minter.mint({ identity: identity(), audience: AUDIENCE }), { code: 'IDENTITY_LOST' })
})

test('two processes at once have the same keys, whoever was first', async (t) => {
  const directory = temporaryDirectory(t)
  const [one, other] = await Promise.all([startMinter(directory, ISSUER), startMinter(directory, ISSUER)])
  using _one = one
  using _other = other
  const kids = await Promise.all([one, other].map(async (minter) => (await minter.mint({ identity: identity(), audience: AUDIENCE })).kid))
  assert.equal(kids[0], kids[1])
  await one.rotate({ isCompromised: true })
  const { kid, token } = await other.mint({ identity: identity(), audience: AUDIENCE })
  assert.notEqual(kid, kids[0])
  await jwtVerify(token, await keysOf(directory))
})

test('why it cannot start is said with its own code', async (t) => {
  const directory = temporaryDirectory(t)
  await assert.rejects(startMinter(directory, null), { code: 'IDENTITY_ISSUER' })
  await assert.rejects(startMinter(directory, 'ftp://x'), { code: 'IDENTITY_ISSUER' })
  writeFileSync(join(directory, 'identity.json'), 'x')
  await assert.rejects(startMinter(directory, ISSUER), { code: 'IDENTITY_DAMAGED' })
})

test('words that make no sense end it', async (t) => {
  const directory = temporaryDirectory(t)
  using minter = await startMinter(directory, ISSUER)
  await assert.rejects(minter.mint({ identity: identity(), audience: AUDIENCE, algorithm: 'none' as 'RS256' }), { code: 'IDENTITY_LOST' })
  assert.equal(await gone(directory), true)
})
