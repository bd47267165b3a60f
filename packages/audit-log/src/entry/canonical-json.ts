// SPDX-License-Identifier: Apache-2.0

/** Deeper is refused: nothing of ours is, and what a job made might be. */
export const JSON_DEPTH_MAX = 64

/**
 * The one JSON text of a value (RFC 8785). Properties that are undefined are left out, as JSON.stringify does.
 *
 * @throws TypeError for what JSON cannot hold: numbers that are not finite, lone surrogates, functions, cycles, class instances.
 */
export function canonicalJson(value: unknown): string {
  return print(value, 0)
}

function print(value: unknown, depth: number): string {
  if (typeof value === 'string') return printString(value)
  if (typeof value === 'number') return printNumber(value)
  if (typeof value === 'boolean' || value === null) return String(value)
  if (typeof value !== 'object') throw new TypeError(`JSON cannot hold a ${typeof value}`)
  if (depth >= JSON_DEPTH_MAX) throw new TypeError(`JSON cannot be nested deeper than ${JSON_DEPTH_MAX}`)
  if (Array.isArray(value)) return `[${value.map((item) => print(item, depth + 1)).join(',')}]`
  return printObject(value, depth)
}

function printString(text: string): string {
  if (!text.isWellFormed()) throw new TypeError('JSON cannot hold half of a surrogate pair')
  return JSON.stringify(text)
}

function printNumber(value: number): string {
  if (!Number.isFinite(value)) throw new TypeError(`JSON cannot hold ${value}`)
  return JSON.stringify(value)
}

function printObject(value: object, depth: number): string {
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) throw new TypeError('JSON holds plain objects only')
  let text = ''
  // The order of UTF-16 code units is that of the comparison of strings
  for (const name of Object.keys(value).sort()) {
    const item = (value as Record<string, unknown>)[name]
    if (item !== undefined) text += `${text === '' ? '' : ','}${printString(name)}:${print(item, depth + 1)}`
  }
  return `{${text}}`
}
