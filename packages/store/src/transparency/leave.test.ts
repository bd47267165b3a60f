// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { readEntries } from '@sallyport/audit-log'
import { makeTemporaryDirectory } from '../_temporary-directory.ts'
import { MemorySigner } from './_memory-signer.ts'
import type { TransparencyLog } from './contract.ts'
import { directoryTileSource } from './directory-tile-source.ts'
import { openTransparencyLog } from './open-log.ts'

/** More than are left to be read again. */
const WRITERS = 40

test('what writers leave is durable, is not read again for ever, and is in the next checkpoint in its order', async (t) => {
  const directory = join(makeTemporaryDirectory(t), 'audit')
  const signer = new MemorySigner()
  const open = (): Promise<TransparencyLog> => openTransparencyLog(directory, { signer, cosigner: null, lockWaitMs: 0 })
  const texts: string[] = []
  for (let writer = 0; writer < WRITERS; writer += 1) {
    await using log = await open()
    const own = Array.from({ length: 10 }, (_, index) => `${writer}.${index}`)
    assert.deepEqual(await log.append(own.map((text) => Buffer.from(text))), { first: texts.length, last: texts.length + 9 })
    texts.push(...own)
    await log.leave()
    await log.leave()
    await assert.rejects(log.append([Buffer.from('late')]), { code: 'STORE_CLOSED' })
    assert.equal(readdirSync(join(directory, 'pending')).length <= 20, true)
  }
  {
    await using log = await open()
    assert.equal((await log.publish()).size, texts.length)
  }
  assert.deepEqual(readdirSync(join(directory, 'pending')), [])
  const source = directoryTileSource(join(directory, 'log'))
  const found = await Array.fromAsync(readEntries(source, { size: texts.length, from: 0, to: texts.length }), ({ bytes }) =>
    Buffer.from(bytes).toString(),
  )
  assert.deepEqual(found, texts)
})
