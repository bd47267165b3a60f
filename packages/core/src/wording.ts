// SPDX-License-Identifier: Apache-2.0

const QUOTED_MAX = 80
const LISTED_MAX = 25
// Control, bidirectional and invisible characters: a hostile file must not be able to write to the terminal through a message.
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g

/** Text of a user's file, made safe and short enough to stand in a message. */
export function quote(text: string): string {
  const short = text.length > QUOTED_MAX ? `${text.slice(0, QUOTED_MAX)}…` : text
  const mark = short.includes('"') ? "'" : '"'
  return `${mark}${printable(short)}${mark}`
}

export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** `did you mean "build"?`, or the whole list when nothing is near; null when there is nothing to choose from. */
export function suggest(word: string, candidates: readonly string[], label: string): string | null {
  const near = nearest(word, candidates)
  if (near !== null) return `did you mean ${quote(near)}?`
  if (candidates.length === 0) return null
  const listed = candidates.slice(0, LISTED_MAX).map(printable).join(', ')
  return `${label}: ${listed}${candidates.length > LISTED_MAX ? ', …' : ''}`
}

/** The candidate that a typing error away from `word` (ignoring case, `-` and `_`), or null. */
export function nearest(word: string, candidates: readonly string[]): string | null {
  const wanted = fold(word)
  const allowed = Math.max(1, Math.floor(wanted.length / 3))
  let best: { readonly candidate: string; readonly distance: number } | null = null
  for (const candidate of candidates) {
    const distance = editDistance(wanted, fold(candidate), allowed)
    if (distance <= allowed && (best === null || distance < best.distance)) best = { candidate, distance }
  }
  return best?.candidate ?? null
}

function fold(word: string): string {
  return word
    .slice(0, QUOTED_MAX)
    .toLowerCase()
    .replaceAll(/[-_\s]/g, '')
}

/** Edits (insert, delete, replace, swap of neighbours) between two short words; more than `max` is reported as `max + 1`. */
export function editDistance(left: string, right: string, max: number): number {
  if (Math.abs(left.length - right.length) > max) return max + 1
  let before: number[] = []
  let previous = Array.from({ length: right.length + 1 }, (_, index) => index)
  for (let i = 1; i <= left.length; i += 1) {
    const current = [i]
    for (let j = 1; j <= right.length; j += 1) {
      const replaced = cell(previous, j - 1) + (left[i - 1] === right[j - 1] ? 0 : 1)
      let cost = Math.min(replaced, cell(previous, j) + 1, cell(current, j - 1) + 1)
      if (i > 1 && j > 1 && left[i - 1] === right[j - 2] && left[i - 2] === right[j - 1]) cost = Math.min(cost, cell(before, j - 2) + 1)
      current.push(cost)
    }
    before = previous
    previous = current
  }
  return Math.min(cell(previous, right.length), max + 1)
}

function cell(row: readonly number[], index: number): number {
  return row[index] ?? Number.POSITIVE_INFINITY
}
