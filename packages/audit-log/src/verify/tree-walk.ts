// SPDX-License-Identifier: Apache-2.0
// One pass over entries and tiles, in constant memory: every entry is hashed again, every tile is built again.
import { Buffer } from 'node:buffer'
import { AuditLogError } from '../audit-log-error.ts'
import type { Hash, TileSource } from '../contract.ts'
import { type BundleFiles, readBundles } from '../entry/bundle-reader.ts'
import { ENTRY_BYTES_MAX, entryRanges } from '../entry/entry-bundle.ts'
import { CompactRange } from '../tree/compact-range.ts'
import { HASH_BYTES, TreeHasher } from '../tree/hash.ts'
import { edgeAt } from '../tree/prove.ts'
import { entriesPath, TILE_HEIGHT, TILE_WIDTH, tilePath } from '../tree/tile.ts'
import { TileHashes } from '../tree/tile-hashes.ts'
import { compareBundle, type Difference, hashList } from './compare-bundle.ts'
import { entryAt, type Findings } from './finding.ts'
import { HeadCheck, type RememberedHead } from './head-check.ts'
import type { SourceLedger } from './source-ledger.ts'
import { TileLevels, type WrongTile } from './tile-levels.ts'

export interface WalkOptions {
  readonly source: TileSource
  readonly size: number
  /** The first bundle that has to be there. */
  readonly firstBundle: number
  readonly heads: readonly RememberedHead[]
  readonly findings: Findings
  /** Null: the entries are not ours and say nothing about each other. */
  readonly ledger: SourceLedger | null
  /** The ledger has seen the entries before this one. */
  readonly ledgerFrom: number
}

/** A tree as one of its two descriptions has it, and the heads that were looked for in it. */
interface Chain {
  readonly tree: CompactRange
  readonly heads: HeadCheck
}

export interface WalkResult {
  /** By the tiles of level 0 (by the entries, where one of those is missing). */
  readonly byTiles: Chain
  /** By the entries, when they are not what the tiles say; null when they are, or are not all there. */
  readonly byEntries: Chain | null
  /** The first entry that is not the one of its tile. */
  readonly difference: (Difference & { readonly index: number }) | null
  readonly wrongTile: WrongTile | null
  /** Nothing could be read from this entry on; null when all could. */
  readonly endedAt: number | null
  readonly entriesChecked: number
}

export async function walkTree(options: WalkOptions): Promise<WalkResult> {
  const walk = new TreeWalk(options, await startOf(options))
  await walk.run()
  return walk.result()
}

/** The tree before the first bundle: its right edge stands in tiles that a pruned log still has. Null when they are not there. */
async function startOf({ source, size, firstBundle, findings }: WalkOptions): Promise<CompactRange | null> {
  const start = firstBundle * TILE_WIDTH
  try {
    return new CompactRange(start, await edgeAt(new TileHashes(source, size), start))
  } catch (error) {
    if (!(error instanceof AuditLogError)) throw error
    findings.add({ kind: 'tile-missing', entries: { first: 0, last: start - 1 }, message: error.message })
    return null
  }
}

class TreeWalk {
  readonly #options: WalkOptions
  readonly #hasher = new TreeHasher(ENTRY_BYTES_MAX)
  readonly #levels: TileLevels
  readonly #byTiles: Chain
  /** Undefined while both are the same; null when the entries are not all there. */
  #byEntries: Chain | null | undefined
  #difference: WalkResult['difference'] = null
  #wrongTile: WrongTile | null = null
  #endedAt: number | null = null
  #entriesChecked = 0
  /** Hashes of the entries of the bundle at hand. */
  readonly #found = Buffer.alloc(TILE_WIDTH * HASH_BYTES)
  readonly #fold = Buffer.alloc(TILE_WIDTH * HASH_BYTES)

  constructor(options: WalkOptions, start: CompactRange | null) {
    this.#options = options
    const tree = start ?? new CompactRange()
    this.#byTiles = { tree, heads: new HeadCheck(options.heads, tree.size) }
    if (start === null) this.#endedAt = options.firstBundle * TILE_WIDTH
    this.#levels = new TileLevels(options.source, options.size, this.#hasher)
  }

  async run(): Promise<void> {
    const { source, size, firstBundle } = this.#options
    if (this.#endedAt !== null) return
    await this.#levels.skip(firstBundle * TILE_WIDTH)
    const bundles = { first: firstBundle, end: Math.ceil(size / TILE_WIDTH) }
    for await (const bundle of readBundles(source, size, bundles)) {
      if (!(await this.#check(bundle))) {
        this.#endedAt = bundle.index * TILE_WIDTH
        return
      }
    }
    this.#byTiles.heads.check(this.#byTiles.tree, 0, noLeaf)
    this.#wrongTile = (await this.#levels.finish()).wrong
  }

  result(): WalkResult {
    return {
      byTiles: this.#byTiles,
      byEntries: this.#byEntries ?? null,
      difference: this.#difference,
      wrongTile: this.#wrongTile,
      endedAt: this.#endedAt,
      entriesChecked: this.#entriesChecked,
    }
  }

  /** False when neither entries nor tile tell what stands here. */
  async #check(bundle: BundleFiles): Promise<boolean> {
    const found = bundle.entries === null ? null : this.#hashEntries(bundle, bundle.entries)
    const isWhole = found !== null && found.ranges.length === bundle.width && !found.isFollowed
    this.#reportMissing(bundle, found !== null)
    if (bundle.tile === null && !isWhole) return false
    const isSame = isWhole && (bundle.tile === null || sameHashes(this.#found, bundle.tile, bundle.width))
    if (!isSame && found !== null && bundle.tile !== null) this.#keepDifference(bundle, bundle.tile, found)
    this.#readEntries(bundle, isSame ? (found?.ranges ?? []) : null)
    await this.#append(bundle, isSame, isWhole)
    return true
  }

  #hashEntries({ index, width, isWider }: BundleFiles, entries: Buffer): FoundEntries {
    const ranges: Range[] = []
    try {
      for (const range of entryRanges(entries)) {
        if (ranges.length === width) return { ranges, isFollowed: !isWider }
        this.#hasher.leaf(entries, range, this.#found, ranges.length * HASH_BYTES)
        ranges.push(range)
      }
    } catch (error) {
      if (!(error instanceof AuditLogError)) throw error
      const at = index * TILE_WIDTH + ranges.length
      this.#options.findings.add({
        kind: 'bundle-malformed',
        path: entriesPath({ index, width }),
        entries: entryAt(at),
        message: error.message,
      })
    }
    return { ranges, isFollowed: false }
  }

  #reportMissing({ index, width, tile }: BundleFiles, hasEntries: boolean): void {
    const first = index * TILE_WIDTH
    const entries = { first, last: first + width - 1 }
    const [entriesFile, tileFile] = [entriesPath({ index, width }), tilePath({ level: 0, index, width })]
    const isEnd = !hasEntries && tile === null
    if (!hasEntries) {
      const message = isEnd ? `nothing is there from entry ${first} on` : `the entries ${first} to ${entries.last} are not there`
      const where = isEnd ? { first, last: this.#options.size - 1 } : entries
      this.#options.findings.add({
        kind: 'bundle-missing',
        manipulation: isEnd ? 'truncated' : 'entry-removed',
        path: entriesFile,
        entries: where,
        message,
      })
    }
    if (tile === null)
      this.#options.findings.add({
        kind: 'tile-missing',
        manipulation: 'tile-edited',
        path: tileFile,
        entries,
        message: `the tile ${tileFile} is not there in full`,
      })
  }

  #keepDifference({ index, width }: BundleFiles, tile: Buffer, { ranges, isFollowed }: FoundEntries): void {
    if (this.#difference !== null) return
    const found = hashList(this.#found, ranges.length)
    // What stands behind a bundle's last entry counts as one that is too many
    const difference = compareBundle(isFollowed ? [...found, ''] : found, hashList(tile, width))
    if (difference !== null) this.#difference = { ...difference, index: index * TILE_WIDTH + difference.at }
  }

  #readEntries({ index, width, entries }: BundleFiles, ranges: readonly Range[] | null): void {
    const { ledger, ledgerFrom } = this.#options
    this.#entriesChecked += ranges === null ? 0 : width
    if (ledger === null) return
    if (ranges === null || entries === null) return ledger.loseTrack()
    const first = index * TILE_WIDTH
    for (const [at, range] of ranges.entries()) if (first + at >= ledgerFrom) ledger.add(entries, range, first + at)
  }

  async #append(bundle: BundleFiles, isSame: boolean, isWhole: boolean): Promise<void> {
    if (!isSame && this.#byEntries === undefined) this.#byEntries = { tree: this.#byTiles.tree.copy(), heads: this.#byTiles.heads.copy() }
    if (this.#byEntries && isWhole) this.#appendTo(this.#byEntries, this.#found, bundle.width)
    else if (this.#byEntries) this.#byEntries = null
    this.#appendTo(this.#byTiles, bundle.tile ?? this.#found, bundle.width)
    if (bundle.width === TILE_WIDTH) await this.#levels.add(this.#fold)
  }

  /** Leaves the root of a full tile at the beginning of `#fold`. */
  #appendTo({ tree, heads }: Chain, leaves: Buffer, width: number): void {
    const leaf = (index: number): Hash => Buffer.from(leaves.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES))
    heads.check(tree, width - 1, leaf)
    if (width < TILE_WIDTH) {
      for (let index = 0; index < width; index++) tree.append(leaf(index))
      return
    }
    leaves.copy(this.#fold)
    this.#hasher.fold(this.#fold, TILE_WIDTH)
    tree.appendSubtree(TILE_HEIGHT, Buffer.from(this.#fold.subarray(0, HASH_BYTES)))
  }
}

interface Range {
  readonly start: number
  readonly end: number
}

interface FoundEntries {
  /** At most the bundle's width. */
  readonly ranges: readonly Range[]
  /** There is more behind them than belongs there. */
  readonly isFollowed: boolean
}

function sameHashes(a: Buffer, b: Buffer, count: number): boolean {
  return a.compare(b, 0, count * HASH_BYTES, 0, count * HASH_BYTES) === 0
}

function noLeaf(): never {
  throw new TypeError('No leaf follows the last one')
}
