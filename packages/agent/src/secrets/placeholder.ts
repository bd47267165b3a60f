// SPDX-License-Identifier: Apache-2.0
import { randomBytes, randomInt } from 'node:crypto'

const CLASSES = ['abcdefghijklmnopqrstuvwxyz', 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', '0123456789'] as const

/** Fewer could stand in what a job does by chance, or be guessed. */
const BITS_MIN = 64

/** `ghp_`, `npm_`, `sk-`, `xoxb-`: programs look at it, and it says nothing of the value. */
const PREFIX = /^[A-Za-z]{2,10}[_-]/

/**
 * A text that stands for `value` in a job: as long, with letters where it has letters and digits where it has digits, so that programs which
 * check the shape of a token take it; and random, so that it is worth nothing. Values that are too short or too odd for that get another text.
 */
export function placeholderFor(value: string): string {
  const prefix = PREFIX.exec(value)?.[0] ?? ''
  const rest = [...value.slice(prefix.length)]
  const bits = rest.reduce((sum, character) => sum + Math.log2(classOf(character)?.length ?? 1), 0)
  if (bits < BITS_MIN || /[^\x21-\x7e]/.test(value)) return `sallyport-placeholder-${randomBytes(16).toString('hex')}`
  return prefix + rest.map(another).join('')
}

function another(character: string): string {
  const letters = classOf(character)
  return letters === undefined ? character : (letters[randomInt(letters.length)] ?? character)
}

function classOf(character: string): string | undefined {
  return CLASSES.find((letters) => letters.includes(character))
}
