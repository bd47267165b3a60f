// SPDX-License-Identifier: Apache-2.0

/** By code units: the same everywhere, whatever the locale. */
export function compareText(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0
}

/** Sorted. */
export function distinct(texts: readonly string[]): readonly string[] {
  return [...new Set(texts)].sort(compareText)
}
