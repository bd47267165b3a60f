// SPDX-License-Identifier: Apache-2.0
import type { PortRange } from './contract.ts'

const PORT_MAX = 65_535

export function rangesContain(ranges: readonly PortRange[], port: number): boolean {
  return ranges.some(({ first, last }) => port >= first && port <= last)
}

/** `443` or `8000-8100`; null when it is neither, or no port has that number. */
export function parsePortRange(text: string): PortRange | null {
  const match = /^([0-9]{1,5})(?:-([0-9]{1,5}))?$/.exec(text)
  if (match === null) return null
  const first = Number(match[1])
  const last = Number(match[2] ?? match[1])
  return first >= 1 && first <= last && last <= PORT_MAX ? { first, last } : null
}

export function formatPortRange({ first, last }: PortRange): string {
  return first === last ? String(first) : `${first}-${last}`
}

/** In ascending order, without overlaps; neighbours are joined. */
export function joinRanges(ranges: readonly PortRange[]): readonly PortRange[] {
  const joined: PortRange[] = []
  for (const range of ranges.toSorted((a, b) => a.first - b.first || a.last - b.last)) {
    const before = joined.at(-1)
    if (before !== undefined && range.first <= before.last + 1)
      joined[joined.length - 1] = { first: before.first, last: Math.max(before.last, range.last) }
    else joined.push(range)
  }
  return joined
}
