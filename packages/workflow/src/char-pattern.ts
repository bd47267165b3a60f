// SPDX-License-Identifier: Apache-2.0

/** One element of a pattern: the characters that it takes, and how often. */
export interface PatternElement {
  readonly takes: (char: string) => boolean
  readonly repeats: boolean
  /** How many elements, from this one on, may be left out: `[1]` for one that is optional. */
  readonly skips: readonly number[]
}

/**
 * Whether the elements take the whole text. All ways through the pattern advance together, one character at a time: the
 * cost is at most the length of the text times that of the pattern, whatever either holds.
 */
export function matchesElements(elements: readonly PatternElement[], text: string): boolean {
  let states = closure(elements, new Set([0]))
  for (const char of text) {
    const next = new Set<number>()
    for (const state of states) {
      const element = elements[state]
      if (element === undefined || !element.takes(char)) continue
      next.add(state + 1)
      if (element.repeats) next.add(state)
    }
    if (next.size === 0) return false
    states = closure(elements, next)
  }
  return states.has(elements.length)
}

/** Adds the states that are reached without a character. A set grows while it is walked, so one pass is enough. */
function closure(elements: readonly PatternElement[], states: Set<number>): Set<number> {
  for (const state of states) {
    for (const skip of elements[state]?.skips ?? []) states.add(state + skip)
  }
  return states
}

export interface CharClass {
  readonly takes: (char: string) => boolean
  /** Index after the closing bracket. */
  readonly end: number
}

/** `[abc]`, `[a-z]`, and with a mark `[!a]`, `[^a]`; null when the bracket at `start` is never closed. */
export function readCharClass(pattern: string, start: number, options: { readonly canNegate: boolean }): CharClass | null {
  let at = start + 1
  const isNegated = options.canNegate && (pattern[at] === '!' || pattern[at] === '^')
  if (isNegated) at += 1
  const ranges: [string, string][] = []
  for (let isFirst = true; at < pattern.length; isFirst = false) {
    if (pattern[at] === ']' && !isFirst)
      return { takes: (char) => ranges.some(([low, high]) => char >= low && char <= high) !== isNegated, end: at + 1 }
    const [low, afterLow] = readClassChar(pattern, at)
    at = afterLow
    if (pattern[at] === '-' && at + 1 < pattern.length && pattern[at + 1] !== ']') {
      const [high, afterHigh] = readClassChar(pattern, at + 1)
      ranges.push([low, high])
      at = afterHigh
    } else {
      ranges.push([low, low])
    }
  }
  return null
}

function readClassChar(pattern: string, at: number): [string, number] {
  const start = pattern[at] === '\\' && at + 1 < pattern.length ? at + 1 : at
  const char = String.fromCodePoint(pattern.codePointAt(start) ?? 0)
  return [char, start + char.length]
}
