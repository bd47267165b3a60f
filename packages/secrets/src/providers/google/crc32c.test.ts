// SPDX-License-Identifier: Apache-2.0
// Vectors: RFC 3720, appendix B.4 (its bytes are in the order in which they are sent), and the check value of the catalogue of CRCs (CRC-32/ISCSI).
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { crc32c } from './crc32c.ts'

const vectors: readonly (readonly [string, Uint8Array, number])[] = [
  ['no bytes', new Uint8Array(), 0],
  ['32 bytes of zeroes', new Uint8Array(32), 0x8a9136aa],
  ['32 bytes of ones', new Uint8Array(32).fill(0xff), 0x62a8ab43],
  ['32 incrementing bytes', Uint8Array.from({ length: 32 }, (_, index) => index), 0x46dd794e],
  ['32 decrementing bytes', Uint8Array.from({ length: 32 }, (_, index) => 31 - index), 0x113fdb5c],
  ['the digits 1 to 9', new TextEncoder().encode('123456789'), 0xe3069283],
]

describe('CRC-32C', () => {
  for (const [name, bytes, expected] of vectors) {
    it(`of ${name} is the published one`, () => assert.equal(crc32c(bytes), expected))
  }
})
