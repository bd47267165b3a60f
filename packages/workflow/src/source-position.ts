// SPDX-License-Identifier: Apache-2.0
import type { SourcePosition } from './plan.ts'

/** Turns offsets of a text into lines and columns. */
export class LineTable {
  readonly #file: string
  readonly #starts: number[] = [0]

  constructor(file: string, text: string) {
    this.#file = file
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) this.#starts.push(at + 1)
  }

  position(offset: number): SourcePosition {
    let low = 0
    let high = this.#starts.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if ((this.#starts[middle] ?? 0) <= offset) low = middle
      else high = middle - 1
    }
    return { file: this.#file, line: low + 1, column: offset - (this.#starts[low] ?? 0) + 1 }
  }
}

/**
 * Where the character `valueOffset` of a YAML scalar's value stands in the scalar's own source text.
 *
 * Quoting, folding and block indentation change white space and escapes only, so that counting the other
 * characters on both sides finds the place in every style.
 */
export function offsetInScalarSource(source: string, value: string, valueOffset: number): number {
  const quoteChar = source[0] === '"' || source[0] === "'" ? source[0] : ''
  const isBlock = source[0] === '|' || source[0] === '>'
  let at = isBlock ? source.indexOf('\n') + 1 : quoteChar.length
  for (let index = 0; index < valueOffset; index += 1) {
    if (isBlank(value[index])) continue
    at = skipBlanks(source, at, quoteChar)
    at += sourceLength(source, at, quoteChar)
  }
  return isBlank(value[valueOffset]) ? at : skipBlanks(source, at, quoteChar)
}

function isBlank(char: string | undefined): boolean {
  return char !== undefined && /\s/.test(char)
}

function skipBlanks(source: string, from: number, quoteChar: string): number {
  let at = from
  while (at < source.length) {
    if (isBlank(source[at])) at += 1
    else if (quoteChar === '"' && source[at] === '\\' && /[nrtvf_LP\s]/.test(source[at + 1] ?? '')) at += 2
    else break
  }
  return at
}

/** Length in the source of the one character that begins at `at`. */
function sourceLength(source: string, at: number, quoteChar: string): number {
  if (quoteChar === "'" && source[at] === "'") return 2
  if (quoteChar !== '"' || source[at] !== '\\') return 1
  return { x: 4, u: 6, U: 10 }[source[at + 1] ?? ''] ?? 2
}
