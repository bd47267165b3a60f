// SPDX-License-Identifier: Apache-2.0
import { Buffer } from 'node:buffer'
import { AuditLogError } from '../audit-log-error.ts'
import type { Hash, HashReader, TileSource } from '../contract.ts'
import { HASH_BYTES, TreeHasher } from './hash.ts'
import { TILE_HEIGHT, TILE_WIDTH, type Tile, tilePath, tileWidth } from './tile.ts'

/** A proof reads two tiles a level at most, so these are those of a proof and its neighbours. */
const TILES_KEPT = 64

/**
 * Reads the hashes of a tree of `size` entries from its tiles.
 *
 * The tiles are untrusted: what was computed from them holds once it was compared with a signed root.
 */
export class TileHashes implements HashReader {
  readonly #source: TileSource
  readonly #size: number
  readonly #hasher = new TreeHasher(0)
  /** In the order of use, the last used last. */
  readonly #kept = new Map<string, Promise<Uint8Array>>()

  constructor(source: TileSource, size: number) {
    this.#source = source
    this.#size = size
  }

  /** @throws AuditLogError `AUDIT_LOG_MISSING` when a tile is not there in full. */
  async hash(level: number, index: number): Promise<Hash> {
    if ((index + 1) * 2 ** level > this.#size) throw new RangeError(`No subtree ${index} of 2^${level} entries among ${this.#size}`)
    const tileLevel = Math.floor(level / TILE_HEIGHT)
    const height = level % TILE_HEIGHT
    const first = index * 2 ** height
    const tile = await this.#tile(tileLevel, Math.floor(first / TILE_WIDTH))
    const at = (first % TILE_WIDTH) * HASH_BYTES
    const hashes = Buffer.from(tile.subarray(at, at + 2 ** height * HASH_BYTES))
    this.#hasher.fold(hashes, 2 ** height)
    return hashes.subarray(0, HASH_BYTES)
  }

  #tile(level: number, index: number): Promise<Uint8Array> {
    const tile = { level, index, width: tileWidth(this.#size, level, index) }
    const path = tilePath(tile)
    const bytes = this.#kept.get(path) ?? this.#read(tile, path)
    this.#kept.delete(path)
    this.#kept.set(path, bytes)
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= TILES_KEPT) break
      this.#kept.delete(oldest)
    }
    return bytes
  }

  /** What could not be read is read again when it is asked for again. */
  #read(tile: Tile, path: string): Promise<Uint8Array> {
    const bytes = readTile(this.#source, tile)
    bytes.catch(() => this.#kept.delete(path))
    return bytes
  }
}

/** The first `width` hashes of a tile. A partial tile may be gone once the full one is there. */
async function readTile(source: TileSource, tile: Tile): Promise<Uint8Array> {
  const path = tilePath(tile)
  const partial = await source.read(path)
  if (partial !== null) {
    if (partial.length === tile.width * HASH_BYTES) return partial
    throw new AuditLogError('AUDIT_LOG_MISSING', `Cannot read the tile ${path}: it has ${partial.length} bytes`)
  }
  const full = tile.width === TILE_WIDTH ? null : await source.read(tilePath({ ...tile, width: TILE_WIDTH }))
  if (full?.length !== TILE_WIDTH * HASH_BYTES)
    throw new AuditLogError('AUDIT_LOG_MISSING', `Cannot read the tile ${path}: it is not there`)
  return full.subarray(0, tile.width * HASH_BYTES)
}

/** The hashes of a tile; null when it is not there in full. */
export async function readTileOrNull(source: TileSource, tile: Tile): Promise<Buffer | null> {
  try {
    const bytes = await readTile(source, tile)
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  } catch (error) {
    if (error instanceof AuditLogError && error.code === 'AUDIT_LOG_MISSING') return null
    throw error
  }
}
