// SPDX-License-Identifier: Apache-2.0
import { Buffer } from 'node:buffer'
import { HASH_BYTES } from '../tree/hash.ts'
import type { Manipulation } from './finding.ts'

/** Where a bundle's entries leave its tile, and what was done to them. */
export interface Difference {
  /** In the bundle. */
  readonly at: number
  readonly manipulation: Manipulation
}

/**
 * Compares the hashes of the entries that are there with those that the tile says; null when they are the same. What was
 * done is told by how the rest goes on, which is a guess where the first wrong one is the last.
 */
export function compareBundle(found: readonly string[], expected: readonly string[]): Difference | null {
  const at = expected.findIndex((hash, index) => hash !== found[index])
  if (at < 0) return found.length === expected.length ? null : { at: expected.length, manipulation: 'entry-inserted' }
  return { at, manipulation: manipulationAt(found, expected, at) }
}

function manipulationAt(found: readonly string[], expected: readonly string[], at: number): Manipulation {
  if (at === found.length) return 'entry-removed'
  if (isPermutation(found, expected)) return 'entries-reordered'
  if (found[at] === expected[at + 1]) return 'entry-removed'
  if (found[at + 1] === expected[at]) return 'entry-inserted'
  return 'entry-edited'
}

function isPermutation(found: readonly string[], expected: readonly string[]): boolean {
  const [a, b] = [found.toSorted(), expected.toSorted()]
  return a.length === b.length && a.every((hash, index) => hash === b[index])
}

/** The 32-byte hashes in `bytes`, as values that can be compared. */
export function hashList(bytes: Uint8Array, count: number): string[] {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return Array.from({ length: count }, (_, index) => buffer.toString('latin1', index * HASH_BYTES, (index + 1) * HASH_BYTES))
}
