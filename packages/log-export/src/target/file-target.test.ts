// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { appendFile, readFile, stat, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough, Writable } from 'node:stream'
import { describe, test } from 'node:test'
import { testRecord } from '../_log.ts'
import { TemporaryDirectory } from '../_temporary-directory.ts'
import { jsonLine } from '../record/json-line.ts'
import { FileTarget } from './file-target.ts'
import { StreamTarget } from './stream-target.ts'

describe('an export to a file', () => {
  test('appends lines, and cuts what a crash left of one', async () => {
    await using directory = await TemporaryDirectory.create()
    const path = join(directory.path, 'log.jsonl')
    for (const index of [0, 1]) {
      await using target = await FileTarget.open(path, jsonLine)
      await target.deliver([testRecord(index)])
      await target.deliver([testRecord(index + 10), testRecord(index + 11)])
      await appendFile(path, `{"torn${'x'.repeat(100_000)}`)
    }
    await using target = await FileTarget.open(path, jsonLine)
    await target.deliver([testRecord(20)])
    const lines = (await readFile(path, 'utf8')).trimEnd().split('\n')
    assert.deepEqual(
      lines,
      [0, 10, 11, 1, 11, 12, 20].map((index) => jsonLine(testRecord(index))),
    )
    assert.equal((await stat(path)).mode & 0o777, 0o600)
  })

  test('follows no link, and takes no device for a file', async () => {
    await using directory = await TemporaryDirectory.create()
    const link = join(directory.path, 'link')
    await symlink(join(directory.path, 'elsewhere'), link)
    await assert.rejects(FileTarget.open(link, jsonLine), { code: 'EXPORT_FAILED' })
    await assert.rejects(FileTarget.open('/dev/full', jsonLine), { code: 'EXPORT_FAILED' })
  })
})

describe('an export to a stream', () => {
  test('resolves when the stream has the lines, and not before', async () => {
    const takes: (() => void)[] = []
    const stream = new Writable({ write: (_chunk, _encoding, done) => void takes.push(() => done()) })
    let isDelivered = false
    const delivered = new StreamTarget(stream, jsonLine).deliver([testRecord(1)]).then(() => {
      isDelivered = true
    })
    await new Promise(setImmediate)
    assert.equal(isDelivered, false)
    takes[0]?.()
    await delivered
  })

  test('fails when whoever reads it has gone', async () => {
    const stream = new PassThrough()
    stream.on('error', () => undefined)
    stream.destroy()
    await assert.rejects(new StreamTarget(stream, jsonLine).deliver([testRecord(0)]), { code: 'EXPORT_FAILED' })
  })
})
