// SPDX-License-Identifier: Apache-2.0
import { Buffer } from 'node:buffer'
import type { TileSource } from '../contract.ts'
import { HASH_BYTES, type TreeHasher } from '../tree/hash.ts'
import { hashesAt, TILE_WIDTH, tilePath, tileWidth } from '../tree/tile.ts'
import { readTileOrNull } from '../tree/tile-hashes.ts'

/** A tile that is not what the tiles below it come to. */
export interface WrongTile {
  readonly path: string
  readonly isMissing: boolean
  /** Entries below its first wrong hash. */
  readonly entries: { readonly first: number; readonly last: number }
}

/** Rebuilds the tiles above level 0 and compares them, with memory for one tile of each level. */
export class TileLevels {
  readonly #source: TileSource
  readonly #size: number
  readonly #hasher: TreeHasher
  readonly #levels: Level[] = []
  #wrong: WrongTile | null = null
  #wrongCount = 0

  constructor(source: TileSource, size: number, hasher: TreeHasher) {
    this.#source = source
    this.#size = size
    this.#hasher = hasher
  }

  /** Begins in the middle, after `start` entries: what is to the left in the first tiles is taken as it stands. */
  async skip(start: number): Promise<void> {
    for (let level = 1; hashesAt(start, level) > 0; level++) {
      const state = this.#level(level)
      state.count = hashesAt(start, level)
      const width = state.count % TILE_WIDTH
      if (width === 0) continue
      const stored = await this.#stored(level, (state.count - width) / TILE_WIDTH)
      stored?.copy(state.hashes, 0, 0, width * HASH_BYTES)
    }
  }

  /** The root of the next full tile of level 0 stands in `tile` at its beginning (see `TreeHasher.fold`). */
  async add(root: Buffer): Promise<void> {
    await this.#add(1, root)
  }

  /** Compares what is left, and says what was wrong: the first, and how many. */
  async finish(): Promise<{ readonly wrong: WrongTile | null; readonly count: number }> {
    for (const [level, state] of this.#levels.entries()) if (state.count % TILE_WIDTH !== 0) await this.#compare(level, state)
    return { wrong: this.#wrong, count: this.#wrongCount }
  }

  #level(level: number): Level {
    while (this.#levels.length <= level) this.#levels.push({ count: 0, hashes: Buffer.alloc(TILE_WIDTH * HASH_BYTES) })
    return this.#levels[level] as Level
  }

  async #add(level: number, root: Buffer): Promise<void> {
    const state = this.#level(level)
    root.copy(state.hashes, (state.count % TILE_WIDTH) * HASH_BYTES, 0, HASH_BYTES)
    state.count += 1
    if (state.count % TILE_WIDTH !== 0) return
    await this.#compare(level, state)
    this.#hasher.fold(state.hashes, TILE_WIDTH)
    await this.#add(level + 1, state.hashes)
  }

  async #compare(level: number, { count, hashes }: Level): Promise<void> {
    const index = Math.ceil(count / TILE_WIDTH) - 1
    const width = count - index * TILE_WIDTH
    const stored = await this.#stored(level, index)
    const at = stored === null ? 0 : firstDifference(stored, hashes, width)
    if (at === null) return
    this.#wrongCount += 1
    const span = TILE_WIDTH ** level
    const first = (index * TILE_WIDTH + at) * span
    const last = Math.min(this.#size, stored === null ? (index + 1) * TILE_WIDTH * span : first + span) - 1
    this.#wrong ??= { path: tilePath({ level, index, width }), isMissing: stored === null, entries: { first, last } }
  }

  async #stored(level: number, index: number): Promise<Buffer | null> {
    return readTileOrNull(this.#source, { level, index, width: tileWidth(this.#size, level, index) })
  }
}

interface Level {
  /** Hashes so far, those of earlier tiles among them. */
  count: number
  readonly hashes: Buffer
}

function firstDifference(stored: Buffer, hashes: Buffer, width: number): number | null {
  const bytes = width * HASH_BYTES
  if (hashes.compare(stored, 0, bytes, 0, bytes) === 0) return null
  for (let at = 0; at < width; at++) {
    const [start, end] = [at * HASH_BYTES, (at + 1) * HASH_BYTES]
    if (hashes.compare(stored, start, end, start, end) !== 0) return at
  }
  return null
}
