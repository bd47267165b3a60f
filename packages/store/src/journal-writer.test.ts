// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DurableFile } from './durable-file.ts'
import { EVENT_BYTES_MAX, JournalWriter } from './journal-writer.ts'

/** A disk in memory; `fail` is asked before each operation. */
class FakeFile implements DurableFile {
  bytes: Buffer = Buffer.alloc(0)
  calls: string[] = []
  fail: (call: string) => string | null = () => null

  async write(bytes: Uint8Array, position: number): Promise<void> {
    await this.#enter('write')
    assert.equal(position, this.bytes.byteLength, 'no hole and no overwriting')
    this.bytes = Buffer.concat([this.bytes, bytes])
  }

  async datasync(): Promise<void> {
    await this.#enter('datasync')
  }

  async truncate(length: number): Promise<void> {
    await this.#enter('truncate')
    this.bytes = this.bytes.subarray(0, length)
  }

  async close(): Promise<void> {
    await this.#enter('close')
  }

  async #enter(call: string): Promise<void> {
    this.calls.push(call)
    await new Promise((resolve) => setImmediate(resolve))
    const code = this.fail(call)
    if (code !== null) throw Object.assign(new Error(`${code}: injected`), { code })
  }
}

function makeWriter(file: DurableFile, namesDurable: Promise<void> = Promise.resolve()): JournalWriter {
  return new JournalWriter('r1', file, () => new Date(0), namesDurable)
}

const event = { type: 'test.event', data: {} }

test('a burst of appends is one write and one datasync', async () => {
  const file = new FakeFile()
  const journal = makeWriter(file)
  const durables = await Promise.all(Array.from({ length: 500 }, () => journal.append(event, null)))
  assert.deepEqual(file.calls, ['write', 'datasync'])
  assert.deepEqual(
    durables.map(({ seq }) => seq),
    Array.from({ length: 500 }, (_, index) => index + 1),
  )
})

test('an append resolves only after its bytes were synced', async () => {
  const file = new FakeFile()
  const journal = makeWriter(file)
  await journal.append(event, null)
  const second = journal.append(event, null).then(() => file.calls.join(' '))
  assert.equal(await second, 'write datasync write datasync')
})

test('an append does not resolve before the names of file and directory are durable', async () => {
  const names = Promise.withResolvers<void>()
  const journal = makeWriter(new FakeFile(), names.promise)
  let isDurable = false
  const appended = journal.append(event, null).then(() => {
    isDurable = true
  })
  await new Promise((resolve) => setTimeout(resolve, 20))
  assert.equal(isDurable, false)
  names.resolve()
  await appended
})

test('the fields of the envelope cannot be set by the event', async () => {
  const file = new FakeFile()
  const forged = { ...event, seq: 99, run: 'other', at: 'never' }
  await makeWriter(file).append(forged, null)
  assert.deepEqual(JSON.parse(file.bytes.toString()), { seq: 1, run: 'r1', at: '1970-01-01T00:00:00.000Z', type: 'test.event', data: {} })
})

for (const [errno, code] of [
  ['ENOSPC', 'STORE_FULL'],
  ['EDQUOT', 'STORE_FULL'],
  ['EIO', 'STORE_IO'],
  ['EROFS', 'STORE_DENIED'],
] as const) {
  for (const call of ['write', 'datasync']) {
    test(`${errno} from ${call} fails the journal for good with ${code}`, async () => {
      const file = new FakeFile()
      const journal = makeWriter(file)
      await journal.append(event, null)
      file.fail = (name) => (name === call ? errno : null)
      const first = journal.append(event, null)
      await new Promise((resolve) => setImmediate(resolve))
      const queued = journal.append(event, null)
      await assert.rejects(first, { code })
      await assert.rejects(queued, { code })
      file.fail = () => null
      await assert.rejects(journal.append(event, null), { code }, 'a disk that works again does not hide the gap')
      assert.equal(file.bytes.toString().split('\n').length - 1, 1, 'what was rejected cannot be read back')
      await journal.close()
    })
  }
}

test('a failure that nobody awaits does not end the process', async () => {
  const file = new FakeFile()
  file.fail = () => 'EIO'
  const journal = makeWriter(file)
  void journal.append(event, null)
  await journal.drained()
  void journal.append(event, null)
  await new Promise((resolve) => setTimeout(resolve, 5))
})

test('an event that is larger than a reader accepts is refused when it is written', async () => {
  const journal = makeWriter(new FakeFile())
  await assert.rejects(journal.append({ type: 'test.large', data: { text: 'x'.repeat(EVENT_BYTES_MAX) } }, null), {
    code: 'EVENT_TOO_LARGE',
  })
})

test('an append after the close is refused, and closing twice closes once', async () => {
  const file = new FakeFile()
  const journal = makeWriter(file)
  await journal.append(event, null)
  await Promise.all([journal.close(), journal.close()])
  await assert.rejects(journal.append(event, null), { code: 'STORE_CLOSED' })
  assert.equal(file.calls.filter((call) => call === 'close').length, 1)
})

test('the listener sees every event in order, also those that it appends itself', async () => {
  const journal = makeWriter(new FakeFile())
  const seen: number[] = []
  const listen = (envelope: { seq: number; type: string }): void => {
    seen.push(envelope.seq)
    if (envelope.type === 'test.event') void journal.append({ type: 'test.answer', data: {} }, listen)
  }
  void journal.append(event, listen)
  void journal.append(event, listen)
  await journal.drained()
  assert.deepEqual(seen, [1, 2, 3, 4])
})
