// SPDX-License-Identifier: Apache-2.0
import {
  AuditLogError,
  decodeEntries,
  entriesPath,
  type LogEntry,
  parseCheckpoint,
  parseEntry,
  parseNote,
  TILE_WIDTH,
  type TileSource,
  tileWidth,
} from '@sallyport/audit-log'
import type { ExportRecord } from './contract.ts'
import { ExportError } from './export-error.ts'

/** A published tree: what its checkpoint says. Signatures are for those who verify. */
export interface PublishedTree {
  readonly origin: string
  readonly size: number
}

/** @throws ExportError EXPORT_UNREADABLE */
export async function readPublishedTree(source: TileSource): Promise<PublishedTree> {
  const bytes = await source.read('checkpoint')
  if (bytes === null) throw new ExportError('EXPORT_UNREADABLE', 'Cannot read the log: it has no checkpoint yet')
  try {
    return parseCheckpoint(parseNote(bytes).text)
  } catch (error) {
    throw unreadable('its checkpoint is none', error)
  }
}

/** Entries from `index` to the end of their bundle; null when the bundle is not there any more, as after pruning. */
export async function readRecords(source: TileSource, tree: PublishedTree, index: number): Promise<readonly ExportRecord[] | null> {
  const bundle = Math.floor(index / TILE_WIDTH)
  const width = tileWidth(tree.size, 0, bundle)
  const bytes = await readBundle(source, bundle, width)
  if (bytes === null) {
    if (width === TILE_WIDTH) return null
    throw unreadable(`"${entriesPath({ index: bundle, width })}" is missing`, undefined)
  }
  const leaves = decode(bytes, bundle)
  if (leaves.length < width) throw unreadable(`bundle ${bundle} has ${leaves.length} entries, not ${width}`, undefined)
  return leaves
    .slice(index % TILE_WIDTH, width)
    .map((leaf, offset) => ({ origin: tree.origin, index: index + offset, leaf, entry: entryOf(leaf), omittedDataBytes: 0 }))
}

/** A partial bundle may be gone once the full one is there. */
async function readBundle(source: TileSource, index: number, width: number): Promise<Uint8Array | null> {
  return (await source.read(entriesPath({ index, width }))) ?? (await source.read(entriesPath({ index, width: TILE_WIDTH })))
}

function decode(bytes: Uint8Array, bundle: number): readonly Uint8Array[] {
  try {
    return decodeEntries(bytes)
  } catch (error) {
    throw unreadable(`bundle ${bundle} is none`, error)
  }
}

function entryOf(leaf: Uint8Array): LogEntry | null {
  try {
    return parseEntry(leaf)
  } catch (error) {
    if (error instanceof AuditLogError) return null
    throw error
  }
}

function unreadable(problem: string, cause: unknown): ExportError {
  return new ExportError('EXPORT_UNREADABLE', `Cannot read the log: ${problem}`, {
    cause,
    hint: 'sallyport audit verify says what is wrong',
  })
}
