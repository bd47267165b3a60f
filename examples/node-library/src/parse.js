// SPDX-License-Identifier: Apache-2.0
import { UNITS } from './units.js'

/** `1 hour, 2 minutes` → `3720`. */
export function parse(text) {
  return text.split(',').reduce((sum, part) => sum + parsePart(part.trim()), 0)
}

function parsePart(part) {
  const match = /^(\d+) (day|hour|minute|second)s?$/.exec(part)
  if (match === null) throw new SyntaxError(`not a duration: "${part}"`)
  const [, size] = UNITS.find(([name]) => name === match[2])
  return Number(match[1]) * size
}
