// SPDX-License-Identifier: Apache-2.0
import { UNITS } from './units.js'

/** `3725` → `1 hour, 2 minutes, 5 seconds`. */
export function toWords(seconds) {
  if (!Number.isInteger(seconds) || seconds < 0) throw new RangeError(`not a whole number of seconds: ${seconds}`)
  const words = []
  let rest = seconds
  for (const [name, size] of UNITS) {
    const count = Math.floor(rest / size)
    rest %= size
    if (count > 0) words.push(`${count} ${name}${count === 1 ? '' : 's'}`)
  }
  return words.length === 0 ? '0 seconds' : words.join(', ')
}
