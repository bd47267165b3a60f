// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { encodeEntry, type LogReport, SOURCE_OPENED, trustedEpochs, verifyLog } from '@sallyport/audit-log'
import { directoryTileSource, openTransparencyLog } from '@sallyport/store'
import type { SignerClient } from './client.ts'
import { startSigner } from './signer.spawn.ts'
import { SignerError } from './signer-error.ts'

const ORIGIN = 'log.test/one'

function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-signer-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** Appends events of one run to the log in `directory`, and publishes it. */
async function write(directory: string, signer: SignerClient, count: number): Promise<void> {
  await using log = await openTransparencyLog(join(directory, 'audit'), { signer, cosigner: null, lockWaitMs: 0 })
  const first = log.size
  const entries = Array.from({ length: count }, (_, index) => {
    const seq = first + index + 1
    return encodeEntry({ v: 1, at: '2026-11-29T15:00:00.000Z', source: 'run/1', seq, type: seq === 1 ? SOURCE_OPENED : 'step.started' })
  })
  await log.append(entries)
  await log.publish()
}

/** As somebody who knows nothing but the first key. */
async function verify(directory: string, signer: SignerClient): Promise<LogReport> {
  const epochs = await signer.epochs()
  const [first] = epochs
  assert.ok(first !== undefined)
  return verifyLog({
    source: directoryTileSource(join(directory, 'audit/log')),
    trust: {
      origin: ORIGIN,
      epochs: trustedEpochs(ORIGIN, first.key, epochs),
      policy: { logs: [], witnesses: [], groups: [], quorum: null },
    },
    clock: { nowS: Date.now() / 1000, freshnessS: null },
    remembered: [],
    minimumIndex: 0,
    hasOurEntries: true,
  })
}

test('a log over several keys is sound, whichever of them has signed it last', async (t) => {
  const directory = temporaryDirectory(t)
  using signer = await startSigner(join(directory, 'signer'), ORIGIN)
  for (const count of [100, 300, 1]) {
    await write(directory, signer, count)
    assert.deepEqual((await verify(directory, signer)).findings, [])
    await signer.rotate()
    assert.deepEqual((await verify(directory, signer)).findings, [])
  }
})

test('a log that was put back and continued otherwise is refused by its own signer', async (t) => {
  const directory = temporaryDirectory(t)
  using signer = await startSigner(join(directory, 'signer'), ORIGIN)
  await write(directory, signer, 100)
  cpSync(join(directory, 'audit'), join(directory, 'old'), { recursive: true })
  await write(directory, signer, 10)
  rmSync(join(directory, 'audit'), { recursive: true })
  cpSync(join(directory, 'old'), join(directory, 'audit'), { recursive: true })
  await assert.rejects(write(directory, signer, 5), { code: 'LOG_ROLLED_BACK' })
  // 105 and 7 entries are more than the 110 that were signed, and others
  const refused = (error: unknown): boolean => error instanceof SignerError && error.code === 'SIGNER_REFUSED'
  await assert.rejects(writeOther(directory, signer, 7), refused)
})

async function writeOther(directory: string, signer: SignerClient, count: number): Promise<void> {
  await using log = await openTransparencyLog(join(directory, 'audit'), { signer, cosigner: null, lockWaitMs: 0 })
  await log.append(Array.from({ length: count }, () => Buffer.from('other')))
  await log.publish()
}
