// SPDX-License-Identifier: Apache-2.0
import { matchesElements, type PatternElement, readCharClass } from './char-pattern.ts'

/** Any number of characters, with and without `/`. */
const ANYTHING: PatternElement = { takes: () => true, repeats: true, skips: [1] }
const WITHIN_FOLDER: PatternElement = { takes: (char) => char !== '/', repeats: true, skips: [1] }
/** `**` and a slash as a whole part: any folders, or none at all. The first element only chooses between the two. */
const FOLDERS: readonly PatternElement[] = [{ takes: () => false, repeats: false, skips: [1, 3] }, ANYTHING, one((char) => char === '/')]

/**
 * Whether a list of branch, tag or path patterns takes a name. Patterns are tried in order and the last one that
 * matches decides: `!` takes a name out, a later pattern without it brings it back.
 */
export function matchesFilter(patterns: readonly string[], name: string): boolean {
  let isTaken = false
  for (const pattern of patterns) {
    const isNegated = pattern.startsWith('!')
    if (isTaken === isNegated && matchesFilterPattern(isNegated ? pattern.slice(1) : pattern, name)) isTaken = !isNegated
  }
  return isTaken
}

/** `*` stops at `/`, `**` does not; `?` and `+` repeat what stands before them; `\` takes a special character as it is. */
function matchesFilterPattern(pattern: string, name: string): boolean {
  return matchesElements(filterElements(pattern), name)
}

function filterElements(pattern: string): PatternElement[] {
  const elements: PatternElement[] = []
  let at = 0
  while (at < pattern.length) {
    const [element, end] = nextElement(pattern, at)
    const last = elements.at(-1)
    const char = pattern[at]
    if ((char === '?' || char === '+') && last !== undefined) {
      elements[elements.length - 1] = char === '?' ? { ...last, skips: [1] } : { ...last, repeats: true }
    } else {
      elements.push(...element)
    }
    at = end
  }
  return elements
}

function nextElement(pattern: string, at: number): [readonly PatternElement[], number] {
  if (pattern.startsWith('**/', at) && (at === 0 || pattern[at - 1] === '/')) return [FOLDERS, at + 3]
  if (pattern.startsWith('**', at)) return [[ANYTHING], at + 2]
  if (pattern[at] === '*') return [[WITHIN_FOLDER], at + 1]
  const group = pattern[at] === '[' ? readCharClass(pattern, at, { canNegate: false }) : null
  if (group !== null) return [[one(group.takes)], group.end]
  const start = pattern[at] === '\\' && at + 1 < pattern.length ? at + 1 : at
  const wanted = String.fromCodePoint(pattern.codePointAt(start) ?? 0)
  return [[one((char) => char === wanted)], start + wanted.length]
}

function one(takes: (char: string) => boolean): PatternElement {
  return { takes, repeats: false, skips: [] }
}
