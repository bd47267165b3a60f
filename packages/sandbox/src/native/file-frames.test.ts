// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { describe, it } from 'node:test'
import { ByteReader } from './byte-reader.ts'
import { readListing } from './file-frames.ts'

function frame(kind: string, path: string): Buffer {
  const header = Buffer.alloc(25)
  header.write(kind, 0, 'latin1')
  header.writeUInt32LE(Buffer.byteLength(path), 21)
  return Buffer.concat([header, Buffer.from(path)])
}

const listing = (...frames: Buffer[]): ByteReader => new ByteReader(Readable.from(frames))

describe('a list of files out of a sandbox', () => {
  it('is read to its end', async () => {
    const entries = await readListing(listing(frame('d', 'a'), frame('f', 'a/b'), frame('E', '')), 2, 4)
    assert.deepEqual(
      entries.map(({ path, type }) => [path, type]),
      [
        ['a', 'directory'],
        ['a/b', 'file'],
      ],
    )
  })

  it('is refused when its paths together are longer than we keep in memory', async () => {
    await assert.rejects(readListing(listing(frame('f', 'abc'), frame('f', 'def'), frame('E', '')), 9, 5), {
      code: 'SANDBOX_INPUT',
      message: /Paths of more than 5 bytes/,
    })
  })

  it('is refused when it goes on past the number of entries', async () => {
    await assert.rejects(readListing(listing(frame('f', 'a'), frame('f', 'b'), frame('E', '')), 1), {
      code: 'SANDBOX_INPUT',
      message: /More than 1 files/,
    })
  })
})
