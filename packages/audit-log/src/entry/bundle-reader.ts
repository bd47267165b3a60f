// SPDX-License-Identifier: Apache-2.0
import { Buffer } from 'node:buffer'
import type { TileSource } from '../contract.ts'
import { entriesPath, TILE_WIDTH, tileWidth } from '../tree/tile.ts'
import { readTileOrNull } from '../tree/tile-hashes.ts'

/** A bundle of entries and the tile with their hashes; null is what is not there. */
export interface BundleFiles {
  /** In the log; its first entry has 256 times this index. */
  readonly index: number
  readonly width: number
  readonly entries: Buffer | null
  /** The bundle is a full one that has taken the place of the partial one: more than `width` entries belong in it. */
  readonly isWider: boolean
  readonly tile: Buffer | null
}

/** So many are read while one is checked. */
const READ_AHEAD = 4

/** The bundles from `first` to before `end` of a tree of `size` entries, in order. */
export async function* readBundles(
  source: TileSource,
  size: number,
  { first, end }: { readonly first: number; readonly end: number },
): AsyncGenerator<BundleFiles> {
  const reading: Promise<BundleFiles>[] = []
  for (let next = first; next < end || reading.length > 0; ) {
    for (; next < end && reading.length < READ_AHEAD; next++) reading.push(started(readBundle(source, size, next)))
    const bundle = reading.shift()
    if (bundle !== undefined) yield await bundle
  }
}

/** Its failure is met where it is awaited, which may be later or, after another's, never. */
function started<Result>(promise: Promise<Result>): Promise<Result> {
  promise.catch(() => undefined)
  return promise
}

async function readBundle(source: TileSource, size: number, index: number): Promise<BundleFiles> {
  const width = tileWidth(size, 0, index)
  const [exact, tile] = await Promise.all([source.read(entriesPath({ index, width })), readTileOrNull(source, { level: 0, index, width })])
  const wider = exact === null && width < TILE_WIDTH ? await source.read(entriesPath({ index, width: TILE_WIDTH })) : null
  const bytes = exact ?? wider
  const entries = bytes === null ? null : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return { index, width, entries, isWider: wider !== null, tile }
}
