// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
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

for (const [how, end] of [
  ['left', (log: TransparencyLog) => log.leave()],
  ['closed', (log: TransparencyLog) => log[Symbol.asyncDispose]()],
  [
    'closed after an append that failed',
    async (log: TransparencyLog, directory: string) => {
      rmSync(join(directory, 'pending'), { recursive: true })
      await assert.rejects(log.append([Buffer.from('nowhere')]), { code: 'STORE_IO' })
      await log[Symbol.asyncDispose]()
    },
  ],
] as const)
  test(`nothing of a tree is still written once the log is ${how}: the next writer's would be replaced by an older one`, async (t) => {
    const directory = join(makeTemporaryDirectory(t), 'audit')
    const log = await openTransparencyLog(directory, { signer: new MemorySigner(), cosigner: null, lockWaitMs: 0 })
    await log.append([Buffer.from('one'), Buffer.from('two')])
    await setImmediate() // The commit is over: the next one begins another file.
    let isOver = false
    const integrating = log.integrate().then(
      () => (isOver = true),
      () => (isOver = true),
    )
    await end(log, directory)
    assert.equal(isOver, true)
    await integrating
  })
