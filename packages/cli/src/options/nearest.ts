// SPDX-License-Identifier: Apache-2.0

/** The candidate that `text` is most likely a slip or the beginning of; null when none is near. */
export function nearest(text: string, candidates: readonly string[]): string | null {
  const lower = text.slice(0, 64).toLowerCase()
  const ranked = candidates.map((name) => ({ name, distance: distance(lower, name.toLowerCase()) })).sort((a, b) => a.distance - b.distance)
  const begun = candidates.filter((name) => lower.length > 1 && name.toLowerCase().startsWith(lower))
  if (begun.length === 1) return begun[0] ?? null
  const best = ranked[0]
  return best !== undefined && best.distance <= Math.max(1, Math.floor(best.name.length / 3)) ? best.name : null
}

/** Number of inserted, deleted, changed or swapped letters (Damerau-Levenshtein, optimal string alignment). */
function distance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, index) => index)]
  const at = (row: number, column: number): number => rows[row]?.[column] ?? Number.POSITIVE_INFINITY
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row]
    rows.push(current)
    for (let column = 1; column <= b.length; column += 1) {
      const change = at(row - 1, column - 1) + (a[row - 1] === b[column - 1] ? 0 : 1)
      const isSwap = a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]
      const swap = isSwap ? at(row - 2, column - 2) + 1 : Number.POSITIVE_INFINITY
      current.push(Math.min(change, swap, at(row - 1, column) + 1, at(row, column - 1) + 1))
    }
  }
  return at(a.length, b.length)
}
