// SPDX-License-Identifier: Apache-2.0
// The gate looks at what both sides of a TLS connection say first, so that is what they say.

/** Of a ClientHello in one record, where its random stands. */
const RANDOM_AT = 5 + 4 + 2

/** A ServerHello, as far as anybody reads it. */
export const SERVER_HELLO: Buffer = Buffer.concat([
  Buffer.from([22, 3, 3, 0, 42, 2, 0, 0, 38, 3, 3]),
  Buffer.alloc(32, 'r'),
  Buffer.from([0, 0x13, 1, 0]),
])

/** The same ClientHello, asking for an answer of so many bytes, SERVER_HELLO included. */
export function askFor(hello: Buffer, bytes: number): Buffer {
  const words = Buffer.from(hello)
  words.writeBigUInt64BE(BigInt(bytes), RANDOM_AT)
  return words
}

export function bytesAskedFor(words: Buffer): number {
  return Number(words.readBigUInt64BE(RANDOM_AT))
}
