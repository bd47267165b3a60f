// SPDX-License-Identifier: Apache-2.0

/**
 * Upstream versions: numbers by their value; what follows a hyphen comes before the release (`1.4.0-rc.3` < `1.4.0`). Negative, zero or positive.
 */
export function compareVersions(left: string, right: string): number {
  const [leftBase = '', leftPre] = split(left)
  const [rightBase = '', rightPre] = split(right)
  const base = compareNumbers(leftBase, rightBase)
  if (base !== 0 || leftPre === rightPre) return base
  if (leftPre === undefined || rightPre === undefined) return leftPre === undefined ? 1 : -1
  return compareNumbers(leftPre, rightPre)
}

function split(version: string): [string, string | undefined] {
  const at = version.indexOf('-')
  return at === -1 ? [version, undefined] : [version.slice(0, at), version.slice(at + 1)]
}

function compareNumbers(left: string, right: string): number {
  const numbers = (text: string): number[] => (text.match(/\d+/g) ?? []).map(Number)
  const [lefts, rights] = [numbers(left), numbers(right)]
  for (let index = 0; index < Math.max(lefts.length, rights.length); index++) {
    const difference = (lefts[index] ?? 0) - (rights[index] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}
