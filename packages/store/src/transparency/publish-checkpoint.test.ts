// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { cpSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { parseCheckpoint, parseNote, verifyConsistency } from '@sallyport/audit-log'
import { makeTemporaryDirectory } from '../_temporary-directory.ts'
import { MemorySigner } from './_memory-signer.ts'
import type { SignedCheckpoint, TransparencyLog } from './contract.ts'
import { directoryTileSource } from './directory-tile-source.ts'
import { openTransparencyLog } from './open-log.ts'
import { publishCheckpoint } from './publish-checkpoint.ts'

const WAIT = { lockWaitMs: 0 }

class Setting {
  readonly directory: string
  readonly signer = new MemorySigner()

  constructor(t: TestContext) {
    this.directory = join(makeTemporaryDirectory(t), 'audit')
  }

  open(): Promise<TransparencyLog> {
    return openTransparencyLog(this.directory, { signer: this.signer, cosigner: null, ...WAIT })
  }

  /** Appends, and lets go of the log. */
  async sign(count: number): Promise<SignedCheckpoint> {
    await using log = await this.open()
    if (count > 0) await log.append(Array.from({ length: count }, (_, index) => Buffer.from(`${log.size + index}`)))
    return await log.sign()
  }

  /** Size of what readers see. */
  async published(): Promise<number | null> {
    const note = await directoryTileSource(join(this.directory, 'log')).read('checkpoint')
    return note === null ? null : parseCheckpoint(parseNote(note).text).size
  }
}

test('what is signed is seen by nobody until it is published, and others write meanwhile', async (t) => {
  const setting = new Setting(t)
  const signed = await setting.sign(3)
  assert.equal(await setting.published(), null)
  {
    await using log = await setting.open()
    await log.append([Buffer.from('3')])
    await log.leave()
  }
  assert.equal(await publishCheckpoint(setting.directory, signed.note, WAIT), true)
  assert.equal(await setting.published(), 3)
  await using log = await setting.open()
  assert.deepEqual([log.size, log.published?.size], [4, 3])
  assert.equal((await log.publish()).size, 4)
})

test('a larger tree that was published meanwhile stays; the same tree is published again', async (t) => {
  const setting = new Setting(t)
  const [first, second] = [await setting.sign(300), await setting.sign(300)]
  assert.equal(await publishCheckpoint(setting.directory, second.note, WAIT), true)
  assert.equal(await publishCheckpoint(setting.directory, first.note, WAIT), false)
  assert.equal(await setting.published(), 600)
  assert.equal(await publishCheckpoint(setting.directory, (await setting.sign(0)).note, WAIT), true)
})

test('its proofs can be had after others have grown the log past its partial tiles', async (t) => {
  const setting = new Setting(t)
  const [old, signed] = [await setting.sign(3), await setting.sign(200)]
  await setting.sign(600)
  assert.ok(verifyConsistency({ old, head: signed, proof: await signed.prove(3) }))
})

test('it is not published while somebody writes, nor into a log that does not hold it, nor beside what is no checkpoint', async (t) => {
  const setting = new Setting(t)
  await setting.sign(2)
  cpSync(setting.directory, `${setting.directory}.old`, { recursive: true })
  const signed = await setting.sign(2)
  {
    await using _log = await setting.open()
    await assert.rejects(publishCheckpoint(setting.directory, signed.note, WAIT), { code: 'LOG_LOCKED' })
  }
  writeFileSync(join(setting.directory, 'log/checkpoint'), 'nothing')
  await assert.rejects(publishCheckpoint(setting.directory, signed.note, WAIT), { code: 'STORE_CORRUPT' })
  rmSync(setting.directory, { recursive: true })
  cpSync(`${setting.directory}.old`, setting.directory, { recursive: true })
  await assert.rejects(publishCheckpoint(setting.directory, signed.note, WAIT), { code: 'LOG_ROLLED_BACK' })
  assert.equal(await setting.published(), null)
})
