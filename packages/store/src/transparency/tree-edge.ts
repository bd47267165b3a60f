// SPDX-License-Identifier: Apache-2.0
import {
  ENTRY_BYTES_MAX,
  entriesPath,
  HASH_BYTES,
  hashesAt,
  rootAt,
  TILE_WIDTH,
  TileHashes,
  type TileSource,
  TreeHasher,
  type TreeHead,
  tilePath,
} from '@sallyport/audit-log'
import { StoreError } from '../store-error.ts'
import { type Entries, LENGTH_BYTES } from './frame.ts'

interface EdgeTile {
  /** Of the tiles of this level that are full. */
  index: number
  width: number
  hashes: Buffer
}

export interface TreeFile {
  readonly path: string
  readonly content: readonly Uint8Array[]
}

/**
 * The right edge of the tree: the one partial tile of each level, and the partial bundle. All that a writer needs, of the same
 * size however large the log is.
 */
export class TreeEdge {
  readonly #hasher = new TreeHasher(ENTRY_BYTES_MAX)
  readonly #tiles: EdgeTile[] = []
  #bundle: Uint8Array[] = []
  #size = 0

  get size(): number {
    return this.#size
  }

  /**
   * Of a log that is there.
   * @throws StoreError STORE_CORRUPT when the tiles do not have the root that `head` says.
   */
  static async read(source: TileSource, head: TreeHead): Promise<TreeEdge> {
    const edge = new TreeEdge()
    edge.#size = head.size
    for (let level = 0; hashesAt(head.size, level) > 0; level += 1) edge.#tiles.push(await readEdgeTile(source, head.size, level))
    const index = Math.floor(head.size / TILE_WIDTH)
    const width = head.size % TILE_WIDTH
    edge.#bundle = width === 0 ? [] : [await readOwn(source, entriesPath({ index, width }))]
    edge.#assertBundle(index, width)
    const { root } = await edge.snapshot().head()
    if (!Buffer.from(root).equals(head.root))
      throw new StoreError('STORE_CORRUPT', 'Cannot continue the log: its last tiles are not those of the tree that was written', {
        hint: FIND_OUT,
      })
    return edge
  }

  #assertBundle(index: number, width: number): void {
    const hashes = Buffer.alloc(width * HASH_BYTES)
    const bytes = Buffer.from(this.#bundle[0] ?? [])
    let [at, count] = [0, 0]
    for (; at + LENGTH_BYTES <= bytes.byteLength && count < width; count += 1) {
      const start = at + LENGTH_BYTES
      at = start + bytes.readUInt16BE(at)
      if (at <= bytes.byteLength) this.#hasher.leaf(bytes, { start, end: at }, hashes, count * HASH_BYTES)
    }
    const isWhole = count === width && at === bytes.byteLength
    if (isWhole && (width === 0 || this.#tiles[0]?.hashes.subarray(0, hashes.byteLength).equals(hashes))) return
    throw new StoreError('STORE_CORRUPT', `Cannot continue the log: the entries of its last bundle, ${index}, are not those in the tree`, {
      hint: FIND_OUT,
    })
  }

  /** The leaf hashes, one after the other. Needs no state, so it can run while the entries are on their way to the disk. */
  hash({ bytes, ends }: Entries): Buffer {
    const hashes = Buffer.allocUnsafeSlow(ends.length * HASH_BYTES)
    let start = LENGTH_BYTES
    for (const [index, end] of ends.entries()) {
      this.#hasher.leaf(bytes, { start, end }, hashes, index * HASH_BYTES)
      start = end + LENGTH_BYTES
    }
    return hashes
  }

  /** Appends; answers with the files that are full now. `hashes`: what {@link hash} said. */
  *append({ bytes, ends }: Entries, hashes: Buffer): Generator<TreeFile> {
    for (let done = 0; done < ends.length; ) {
      const room = TILE_WIDTH - (this.#size % TILE_WIDTH)
      const count = Math.min(room, ends.length - done)
      this.#bundle.push(bytes.subarray(done === 0 ? 0 : ends[done - 1], ends[done + count - 1]))
      this.#size += count
      if (count === room) {
        yield { path: entriesPath({ index: this.#size / TILE_WIDTH - 1, width: TILE_WIDTH }), content: this.#bundle }
        this.#bundle = []
      }
      yield* this.#push(0, hashes.subarray(done * HASH_BYTES, (done + count) * HASH_BYTES))
      done += count
    }
  }

  /** No more hashes than the level's tile has room for. */
  *#push(level: number, hashes: Buffer): Generator<TreeFile> {
    const tile = this.#tiles[level] ?? emptyTile(0)
    this.#tiles[level] = tile
    hashes.copy(tile.hashes, tile.width * HASH_BYTES)
    tile.width += hashes.byteLength / HASH_BYTES
    if (tile.width < TILE_WIDTH) return
    yield { path: tilePath({ level, ...tile }), content: [tile.hashes] }
    this.#tiles[level] = emptyTile(tile.index + 1)
    yield* this.#push(level + 1, this.#fold(tile.hashes))
  }

  /** Root of a full tile. */
  #fold(hashes: Buffer): Buffer {
    const work = Buffer.from(hashes)
    this.#hasher.fold(work, TILE_WIDTH)
    return work.subarray(0, HASH_BYTES)
  }

  /** As it is now, whatever is appended later. */
  snapshot(): EdgeSnapshot {
    const tiles = this.#tiles.flatMap(({ index, width, hashes }, level) =>
      width === 0 ? [] : [{ path: tilePath({ level, index, width }), content: [Buffer.from(hashes.subarray(0, width * HASH_BYTES))] }],
    )
    const [index, width] = [Math.floor(this.#size / TILE_WIDTH), this.#size % TILE_WIDTH]
    const bundles = width === 0 ? [] : [{ path: entriesPath({ index, width }), content: [...this.#bundle] }]
    return new EdgeSnapshot(this.#size, [...bundles, ...tiles])
  }
}

const FIND_OUT = 'Somebody changed the log, or the disk lost a part of it: sallyport audit verify says what is wrong'

/** The partial files of a tree, which are all that its root is made of. */
export class EdgeSnapshot {
  readonly size: number
  readonly files: readonly TreeFile[]

  constructor(size: number, files: readonly TreeFile[]) {
    this.size = size
    this.files = files
  }

  async head(): Promise<TreeHead> {
    const source = { read: async (path: string) => this.files.find((file) => file.path === path)?.content[0] ?? null }
    return { size: this.size, root: await rootAt(new TileHashes(source, this.size), this.size) }
  }
}

function emptyTile(index: number): EdgeTile {
  return { index, width: 0, hashes: Buffer.alloc(TILE_WIDTH * HASH_BYTES) }
}

async function readEdgeTile(source: TileSource, size: number, level: number): Promise<EdgeTile> {
  const count = hashesAt(size, level)
  const tile = emptyTile(Math.floor(count / TILE_WIDTH))
  tile.width = count % TILE_WIDTH
  if (tile.width > 0) tile.hashes.set((await readOwn(source, tilePath({ level, ...tile }))).subarray(0, TILE_WIDTH * HASH_BYTES))
  return tile
}

async function readOwn(source: TileSource, path: string): Promise<Uint8Array> {
  const bytes = await source.read(path)
  if (bytes === null) throw new StoreError('STORE_CORRUPT', `Cannot continue the log: "${path}" is missing`, { hint: FIND_OUT })
  return bytes
}
