// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { ByteReader } from './byte-reader.ts'

const readerOf = (...parts: readonly string[]): ByteReader => new ByteReader(Readable.from(parts.map((part) => Buffer.from(part))))

test('exact amounts are read across the borders of what arrives', async () => {
  const reader = readerOf('ab', '', 'cdef', 'g')
  assert.equal((await reader.read(3))?.toString(), 'abc')
  assert.equal((await reader.read(1))?.toString(), 'd')
  assert.equal((await reader.read(3))?.toString(), 'efg')
  assert.equal(await reader.read(1), null)
})

test('nothing is read of no bytes', async () => {
  assert.equal((await readerOf('a').read(0))?.length, 0)
})

test('an end in the middle is an error, and at the start it is null', async () => {
  await assert.rejects(readerOf('ab').read(3), { code: 'SANDBOX_PROTOCOL' })
  assert.equal(await readerOf().read(3), null)
  await assert.rejects(readerOf().demand(3), { code: 'SANDBOX_PROTOCOL' })
})

test('some bytes are at most as many as were asked for', async () => {
  const reader = readerOf('abcdef')
  assert.equal((await reader.readSome(4))?.toString(), 'abcd')
  assert.equal((await reader.readSome(4))?.toString(), 'ef')
  assert.equal(await reader.readSome(4), null)
})

test('an error of the stream comes through', async () => {
  const stream = new Readable({ read: () => undefined })
  const reading = new ByteReader(stream).read(1)
  stream.destroy(new Error('broken'))
  await assert.rejects(reading, /broken/)
})
