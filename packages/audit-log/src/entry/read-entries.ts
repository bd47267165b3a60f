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
 * The entries of a range in order, each compared with its hash in the tile: who changes one of them and leaves the tiles finds
 * no reader. Whether the tiles are those that were signed is the question of `verifyLog`, and of a proof.
 *
 * @throws AuditLogError `AUDIT_LOG_MISSING`, `AUDIT_LOG_MALFORMED`, `AUDIT_LOG_DIFFERENT`, after the entries before the fault.
 */
export async function* readEntries(source: TileSource, { size, from, to }: EntryRange): AsyncGenerator<IndexedEntry> {
  if (from < 0 || to > size || from > to) throw new RangeError(`No entries ${from} to ${to} among ${size}`)
  const bundles = { first: Math.floor(from / TILE_WIDTH), end: Math.ceil(to / TILE_WIDTH) }
  for await (const bundle of readBundles(source, size, bundles))
    yield* entriesOf(bundle, { from: from - bundle.index * TILE_WIDTH, to: to - bundle.index * TILE_WIDTH })
}

/** Those at `from` to before `to` of a bundle, as far as it goes. */
function* entriesOf({ index, width, entries, tile }: BundleFiles, { from, to }: Omit<EntryRange, 'size'>): Generator<IndexedEntry> {
  const path = entriesPath({ index, width })
  if (entries === null || tile === null) throw new AuditLogError('AUDIT_LOG_MISSING', `Cannot read ${path}: it, or its tile, is not there`)
  let at = 0
  for (const { start, end } of entryRanges(entries)) {
    if (at === Math.min(width, to)) return
    if (at >= from) yield checkedEntry(index * TILE_WIDTH + at, entries.subarray(start, end), tile)
    at += 1
  }
  if (at < width) throw new AuditLogError('AUDIT_LOG_MISSING', `Cannot read ${path}: it has ${at} entries, not ${width}`)
}

function checkedEntry(index: number, bytes: Uint8Array, tile: Uint8Array): IndexedEntry {
  const at = (index % TILE_WIDTH) * HASH_BYTES
  if (Buffer.compare(leafHash(bytes), tile.subarray(at, at + HASH_BYTES)) === 0) return { index, bytes }
  throw new AuditLogError('AUDIT_LOG_DIFFERENT', `Entry ${index} is not the one whose hash stands in the tile`)
}
