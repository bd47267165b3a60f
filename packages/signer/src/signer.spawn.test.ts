// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { leafHash } from '@sallyport/audit-log'
import { startSigner } from './signer.spawn.ts'
import { SignerError } from './signer-error.ts'

const ORIGIN = 'log.test/one'
const ONE = { size: 1, root: leafHash(Buffer.from('one')) }

function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-signer-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

function codeIs(code: string): (error: unknown) => boolean {
  return (error) => error instanceof SignerError && error.code === code
}

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

test('the process signs, remembers, and rotates its key', async (t) => {
  using signer = await startSigner(temporaryDirectory(t), ORIGIN)
  assert.equal(await signer.latest(), null)
  assert.match(Buffer.from(await signer.sign({ oldSize: 0, proof: [], head: ONE })).toString(), /^log\.test\/one\n1\n/)
  assert.deepEqual((await signer.latest())?.size, 1)
  const epochs = await signer.rotate()
  assert.deepEqual(
    epochs.map(({ firstSize, lastSize }) => [firstSize, lastSize]),
    [
      [0, 1],
      [1, null],
    ],
  )
  assert.deepEqual(await signer.epochs(), epochs)
})

test('a refusal is an answer, and the process goes on', async (t) => {
  using signer = await startSigner(temporaryDirectory(t), ORIGIN)
  await signer.sign({ oldSize: 0, proof: [], head: ONE })
  await assert.rejects(
    signer.sign({ oldSize: 1, proof: [], head: { ...ONE, root: leafHash(Buffer.from('two')) } }),
    codeIs('SIGNER_REFUSED'),
  )
  assert.equal((await signer.latest())?.size, 1)
})

test('it leaves no core', async (t) => {
  const directory = temporaryDirectory(t)
  using _signer = await startSigner(directory, ORIGIN)
  const [pid = 0] = pidsOf(directory)
  assert.match(readFileSync(`/proc/${pid}/limits`, 'utf8'), /^Max core file size +0 +0 /m)
})

test('it ends with its client, and with a second one for the directory', async (t) => {
  const directory = temporaryDirectory(t)
  const signer = await startSigner(directory, ORIGIN)
  await assert.rejects(startSigner(directory, ORIGIN), codeIs('SIGNER_LOCKED'))
  signer[Symbol.dispose]()
  assert.equal(await gone(directory), true)
  await assert.rejects(signer.latest(), codeIs('SIGNER_LOST'))
  using again = await startSigner(directory, ORIGIN)
  assert.equal(await again.latest(), null)
})

test('its death is known at once', async (t) => {
  const directory = temporaryDirectory(t)
  using signer = await startSigner(directory, ORIGIN)
  const asked = signer.latest()
  for (const pid of pidsOf(directory)) process.kill(pid, 'SIGKILL')
  await asked.catch(() => undefined)
  await assert.rejects(signer.sign({ oldSize: 0, proof: [], head: ONE }), codeIs('SIGNER_LOST'))
})

test('why it cannot start is said with its own code', async (t) => {
  const directory = temporaryDirectory(t)
  writeFileSync(join(directory, 'signer.json'), 'x')
  await assert.rejects(startSigner(directory, ORIGIN), codeIs('SIGNER_DAMAGED'))
})

test('words that make no sense end it', async (t) => {
  const directory = temporaryDirectory(t)
  using signer = await startSigner(directory, ORIGIN)
  await assert.rejects(signer.sign({ oldSize: -1, proof: [], head: ONE }), codeIs('SIGNER_LOST'))
  assert.equal(await gone(directory), true)
})
