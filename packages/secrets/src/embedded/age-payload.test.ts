// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { before, describe, test } from 'node:test'
import { Decrypter } from 'age-encryption'
import { AgeKey, generateIdentity, sealFor } from './age-key.ts'
import { type AgePayload, headerBytesOf } from './age-payload.ts'
import type {} from './browser-types.ts'

const CHUNK = 65_536
const SEALED_CHUNK = CHUNK + 16

describe('the payload of an age file', () => {
  let identity: string
  let key: AgeKey
  before(async () => {
    identity = await generateIdentity()
    key = await AgeKey.parse(Buffer.from(identity), 'a test')
  })

  async function payloadOf(file: Uint8Array): Promise<AgePayload> {
    const payload = await key.open(file)
    assert.ok(payload !== null)
    return payload
  }

  function whole(payload: AgePayload): Buffer {
    const plaintext = Buffer.alloc(payload.bytes)
    payload.open(plaintext)
    return plaintext
  }

  for (const size of [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 7])
    test(`of ${size} bytes is what its library sealed, whole and in part`, async () => {
      const plaintext = randomBytes(size)
      const file = await sealFor([key.recipient], plaintext)
      const payload = await payloadOf(file)
      assert.ok(whole(payload).equals(plaintext))
      const library = new Decrypter()
      library.addIdentity(identity)
      assert.ok(plaintext.equals(await library.decrypt(file)))
      for (const at of [0, size >> 1, Math.max(0, size - 1)]) {
        const part = Buffer.alloc(size)
        const [from, to] = payload.open(part, at, Math.min(size, at + 1))
        assert.ok(from <= at && to >= Math.min(size, at + 1) && to - from <= CHUNK)
        assert.ok(part.subarray(from, to).equals(plaintext.subarray(from, to)))
        assert.ok(part.every((byte, index) => byte === 0 || (index >= from && index < to)))
      }
    })

  test('is refused when a chunk was changed, cut off, left out or moved', async () => {
    const file = Buffer.from(await sealFor([key.recipient], randomBytes(3 * CHUNK)))
    const start = headerBytesOf(file) + 16
    const chunk = (at: number): Buffer => file.subarray(start + at * SEALED_CHUNK, start + (at + 1) * SEALED_CHUNK)
    const head = file.subarray(0, start)
    const changed = Buffer.from(file)
    changed[start + 5] = (changed[start + 5] as number) ^ 1
    const others = {
      changed,
      'cut within a chunk': file.subarray(0, -1),
      'cut behind a chunk': Buffer.concat([head, chunk(0), chunk(1)]),
      'without its first chunk': Buffer.concat([head, chunk(1), chunk(2)]),
      moved: Buffer.concat([head, chunk(1), chunk(0), chunk(2)]),
      'with an empty chunk': Buffer.concat([file, Buffer.alloc(16)]),
      'without a payload': head.subarray(0, -16),
    }
    for (const [what, bytes] of Object.entries(others)) await assert.rejects(async () => whole(await payloadOf(bytes)), Error, what)
  })

  test('is not opened by another identity, and an edited header is an error', async () => {
    const other = await AgeKey.parse(Buffer.from(await generateIdentity()), 'a test')
    const file = Buffer.from(await sealFor([key.recipient], Buffer.from('x')))
    assert.equal(await other.open(file), null)
    const edited = Buffer.from(file)
    const mac = edited.indexOf('--- ') + 5
    edited[mac] = edited[mac] === 0x41 ? 0x42 : 0x41
    await assert.rejects(key.open(edited))
  })
})
