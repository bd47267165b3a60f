// SPDX-License-Identifier: Apache-2.0

/** The candidate that `text` is most likely a slip of; null when none is near. */
export function nearest(text: string, candidates: readonly string[]): string | null {
  const lower = text.slice(0, 64).toLowerCase()
  const ranked = candidates.map((name) => ({ name, distance: distance(lower, name.toLowerCase()) })).sort((a, b) => a.distance - b.distance)
  const best = ranked[0]
  return best !== undefined && best.distance <= Math.max(1, Math.floor(best.name.length / 3)) ? best.name : null
}

/** Number of inserted, deleted or changed letters (Levenshtein). */
function distance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row]
    for (let column = 1; column <= b.length; column += 1) {
      const change = (previous[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1)
      current.push(Math.min(change, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1))
    }
    previous = current
  }
  return previous[b.length] ?? 0
}
