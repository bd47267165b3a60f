// SPDX-License-Identifier: Apache-2.0
import { Buffer } from 'node:buffer'
import { AuditLogError } from '../audit-log-error.ts'
import type { TileSource } from '../contract.ts'
import { HASH_BYTES, leafHash } from '../tree/hash.ts'
import { entriesPath, TILE_WIDTH } from '../tree/tile.ts'
import { type BundleFiles, readBundles } from './bundle-reader.ts'
import { entryRanges } from './entry-bundle.ts'

/** The entries `[from, to)` of a tree of `size` entries. */
export interface EntryRange {
  readonly size: number
  readonly from: number
  readonly to: number
}

export interface IndexedEntry {
  readonly index: number
  readonly bytes: Uint8Array
}

/**
 * The entries of a range in order, each compared with its hash in the tile: who changes a bundle and leaves the tiles finds
 * no reader. Whether the tiles are those that were signed is the question of `verifyLog`, and of a proof.
 *
 * @throws AuditLogError `AUDIT_LOG_MISSING`, `AUDIT_LOG_MALFORMED`, `AUDIT_LOG_DIFFERENT`, after the entries before the fault.
 */
export async function* readEntries(source: TileSource, { size, from, to }: EntryRange): AsyncGenerator<IndexedEntry> {
  if (from < 0 || to > size || from > to) throw new RangeError(`No entries ${from} to ${to} among ${size}`)
  const bundles = { first: Math.floor(from / TILE_WIDTH), end: Math.ceil(to / TILE_WIDTH) }
  for await (const bundle of readBundles(source, size, bundles))
    for (const entry of entriesOf(bundle)) if (entry.index >= from && entry.index < to) yield entry
}

function* entriesOf({ index, width, entries, tile }: BundleFiles): Generator<IndexedEntry> {
  const path = entriesPath({ index, width })
  if (entries === null || tile === null) throw new AuditLogError('AUDIT_LOG_MISSING', `Cannot read ${path}: it, or its tile, is not there`)
  let at = 0
  for (const { start, end } of entryRanges(entries)) {
    if (at === width) return
    const bytes = entries.subarray(start, end)
    if (Buffer.compare(leafHash(bytes), tile.subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES)) !== 0)
      throw new AuditLogError('AUDIT_LOG_DIFFERENT', `Entry ${index * TILE_WIDTH + at} is not the one whose hash stands in the tile`)
    yield { index: index * TILE_WIDTH + at, bytes }
    at += 1
  }
  if (at < width) throw new AuditLogError('AUDIT_LOG_MISSING', `Cannot read ${path}: it has ${at} entries, not ${width}`)
}
