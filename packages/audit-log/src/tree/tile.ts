// SPDX-License-Identifier: Apache-2.0
// Names and shapes of the files of C2SP tlog-tiles.

/** Hashes in a full tile, entries in a full bundle. */
export const TILE_WIDTH = 256
export const TILE_HEIGHT = 8

export interface Tile {
  /** 0 for leaf hashes; a hash of level L is the root of 256^L entries. */
  readonly level: number
  readonly index: number
  /** 1 to 256; below 256 it is a partial tile. */
  readonly width: number
}

export function tilePath({ level, index, width }: Tile): string {
  return `tile/${level}/${indexPath(index)}${partialSuffix(width)}`
}

export function entriesPath({ index, width }: Omit<Tile, 'level'>): string {
  return `tile/entries/${indexPath(index)}${partialSuffix(width)}`
}

/** Null for everything but the one spelling of a tile's or bundle's path; `level` is null for a bundle. */
export function parseTilePath(path: string): (Omit<Tile, 'level'> & { readonly level: number | null }) | null {
  const [, levelText = '', indexText = '', widthText] =
    /^tile\/(entries|[0-9]{1,2})\/((?:x[0-9]{3}\/){0,5}[0-9]{3})(?:\.p\/([1-9][0-9]{0,2}))?$/.exec(path) ?? []
  const level = levelText === 'entries' ? null : Number(levelText)
  const index = Number(indexText.replaceAll(/[x/]/g, ''))
  const width = widthText === undefined ? TILE_WIDTH : Number(widthText)
  if (levelText === '' || (level ?? 0) > 63 || !Number.isSafeInteger(index) || (widthText !== undefined && width >= TILE_WIDTH)) return null
  const printed = level === null ? entriesPath({ index, width }) : tilePath({ level, index, width })
  return printed === path ? { level, index, width } : null
}

/**
 * The tiles that a tree of `size` entries has and one of `since` entries has not, level by level, each in order. A
 * partial tile is new when it is wider than it was. The bundles of entries are those of level 0.
 */
export function* tilesOf(size: number, since = 0): Generator<Tile> {
  for (let level = 0; hashesAt(size, level) > 0; level++) {
    const count = hashesAt(size, level)
    const old = hashesAt(since, level)
    if (count === old) continue
    for (let index = Math.floor(old / TILE_WIDTH); index * TILE_WIDTH < count; index++)
      yield { level, index, width: Math.min(TILE_WIDTH, count - index * TILE_WIDTH) }
  }
}

/** Hashes that stand in the tiles of a level: those of full tiles below only. */
export function hashesAt(size: number, level: number): number {
  return Math.floor(size / TILE_WIDTH ** level)
}

/** Of the tile `index`, in a tree of `size` entries; 0 when it has none. */
export function tileWidth(size: number, level: number, index: number): number {
  return Math.max(0, Math.min(TILE_WIDTH, hashesAt(size, level) - index * TILE_WIDTH))
}

/** 1234067 → `x001/x234/067`: a file never has the name of a directory. */
function indexPath(index: number): string {
  const digits = String(index)
  const padded = digits.padStart(Math.ceil(digits.length / 3) * 3, '0')
  return padded.replaceAll(/[0-9]{3}(?=[0-9])/g, 'x$&/')
}

function partialSuffix(width: number): string {
  return width === TILE_WIDTH ? '' : `.p/${width}`
}
