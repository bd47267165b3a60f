// SPDX-License-Identifier: Apache-2.0
import { Buffer } from 'node:buffer'

/**
 * The shortest value that is masked, in bytes after trimming. Three bytes stand by chance in every few
 * lines of a log (`the`, `0.1`): masking them destroys the log, shows where they stand, and so tells the value
 * rather than hides it. A value that short is guessed faster than it is leaked.
 */
const VALUE_BYTES_MIN = 4

/**
 * The least that a value has to be worth. One that is picked from 2^16 is found by trying, and stands in any megabyte of a log by chance:
 * `1234` and `aaaaaaaa` are worth 3 and 5 bits, four random letters 19, five random digits 17.
 */
const BITS_MIN = 16

/** Words that are given for a secret, and stand in any log: masking them would hide nothing, and make the log useless. */
const COMMON: ReadonlySet<string> = new Set(
  (
    'true false null none undefined enabled disabled default password passwort passwd secret token admin administrator root user username guest test testing ' +
    'example sample changeme letmein welcome qwerty login localhost production staging development release debug info warning error string ' +
    'number object main master develop latest stable build runner ubuntu debian alpine linux docker node python github gitlab http https'
  ).split(' '),
)

export type Weakness = 'too-short' | 'too-common' | 'too-simple'

/** Why a value cannot be masked without masking what is no secret; null when it can. */
export function weaknessOf(value: string): Weakness | null {
  const text = value.trim()
  if (Buffer.byteLength(text) < VALUE_BYTES_MIN) return 'too-short'
  if (COMMON.has(text.toLowerCase())) return 'too-common'
  return bitsOf(text) < BITS_MIN ? 'too-simple' : null
}

/**
 * What guessing a text takes, in bits, if it was made at random from the kinds of characters that it has. Characters that repeat the last, or
 * follow it in order (`aaaa`, `1234`, `dcba`), are not counted.
 */
export function bitsOf(text: string): number {
  let counted = 0
  let last = Number.NaN
  for (const character of text) {
    const codePoint = character.codePointAt(0) ?? 0
    if (!(Math.abs(codePoint - last) <= 1)) counted += 1
    last = codePoint
  }
  return counted * Math.log2(alphabetOf(text))
}

function alphabetOf(text: string): number {
  const digits = /[0-9]/.test(text) ? 10 : 0
  const small = /[a-z]/.test(text) ? 26 : 0
  const capital = /[A-Z]/.test(text) ? 26 : 0
  const others = /[^0-9A-Za-z]/.test(text) ? 33 : 0
  return Math.max(2, digits + small + capital + others)
}
