// SPDX-License-Identifier: Apache-2.0
import { randomFillSync } from 'node:crypto'

export const GENERATE_MIN = 16
export const GENERATE_MAX = 1024

const ALPHABET = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789')
/** What is above it would make some letters likelier than others. */
const UNBIASED_MAX = 256 - (256 % ALPHABET.length)

/** Letters and digits, which survive every shell, URL and file: almost six bits each. */
export function generateValue(length: number): Buffer {
  if (!Number.isInteger(length) || length < GENERATE_MIN || length > GENERATE_MAX) throw new TypeError(`no length of a value: ${length}`)
  const value = Buffer.alloc(length)
  const random = Buffer.alloc(1)
  for (let at = 0; at < length; ) {
    const [byte = 0] = randomFillSync(random)
    if (byte < UNBIASED_MAX) value[at++] = ALPHABET[byte % ALPHABET.length] ?? 0
  }
  return value
}
