// SPDX-License-Identifier: Apache-2.0
import { say } from '../layers/entry-path.ts'
import { scanTree } from './scan-tree.ts'
import type { ExpectedEntry, SealedEntry } from './tree-entry.ts'

const DIFFERENCES_MAX = 100

export interface Comparison {
  /** Printable; at most a hundred, and then how many more. */
  readonly differences: readonly string[]
  /** What is there, in no order; complete where nothing differs. */
  readonly seen: readonly SealedEntry[]
}

/** Reads all of a tree, and says how it differs from what it should be. */
export async function compareTree(root: string, expected: readonly ExpectedEntry[], signal: AbortSignal): Promise<Comparison> {
  const missing = new Map(expected.map((entry) => [entry.path, entry]))
  const found: string[] = []
  const seen: SealedEntry[] = []
  for await (const entry of scanTree(root, signal)) {
    const should = missing.get(entry.path)
    missing.delete(entry.path)
    const name = `/${say(entry.path)}`
    if (should === undefined) found.push(`${name}: is there, and was not`)
    else if (entry.type === 'other') found.push(`${name}: is no ${should.type} any more`)
    else {
      const what = differenceOf(should, entry)
      if (what === null) seen.push(entry)
      else found.push(`${name}: ${what}`)
    }
  }
  for (const path of missing.keys()) found.push(`/${say(path)}: is gone`)
  const more = found.length - DIFFERENCES_MAX
  return { differences: more > 0 ? [...found.slice(0, DIFFERENCES_MAX), `and ${more} more`] : found, seen }
}

/** What differs first, in words; null where nothing does. */
function differenceOf(should: ExpectedEntry, is: ExpectedEntry): string | null {
  if (should.type !== is.type) return `is a ${is.type}, and was a ${should.type}`
  if (should.mode !== is.mode) return `has mode ${is.mode.toString(8)}, and had ${should.mode.toString(8)}`
  if (should.uid !== is.uid || should.gid !== is.gid) return `belongs to ${is.uid}:${is.gid}, and did to ${should.uid}:${should.gid}`
  if (should.size !== is.size) return `has ${is.size} bytes, and had ${should.size}`
  if (should.content !== is.content) return should.type === 'link' ? 'leads elsewhere' : 'has other content'
  return null
}
