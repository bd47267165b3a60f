// SPDX-License-Identifier: Apache-2.0
// A part of a log that is not kept in it any more: its files, under the same paths, and what is needed to check it alone.
import { type FileHandle, mkdir, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import {
  CompactRange,
  decodeEntries,
  edgeAt,
  entriesPath,
  type Hash,
  KEYS_PATH,
  type KeyEpoch,
  leafHash,
  noteVerifier,
  openNote,
  parseCheckpoint,
  parseNote,
  parseTilePath,
  proveConsistency,
  TILE_HEIGHT,
  TILE_WIDTH,
  TileHashes,
  type TileSource,
  type TreeHead,
  verifyConsistency,
} from '@sallyport/audit-log'
import { createDurably, readWhole, syncDirectory, writeFileDurably } from '../durable-file.ts'
import { lockExclusively } from '../exclusive-lock.ts'
import { makePrivateDirectory } from '../private-directory.ts'
import { StoreError } from '../store-error.ts'
import { directoryTileSource } from './directory-tile-source.ts'
import { logPaths } from './log-paths.ts'

const SEAL = 'seal.json'
const SEAL_BYTES_MAX = 64 * 1024

/** Entries `[first, end)`; both are multiples of 256. */
export interface ArchivedRange {
  readonly first: number
  readonly end: number
}

/** `seal.json` of an archive. Hashes are base64. */
interface Seal extends ArchivedRange {
  /** The right edge of the tree of `first` entries. */
  readonly edge: readonly string[]
  /** From the tree of `end` entries to that of the archive's checkpoint. */
  readonly proof: readonly string[]
}

/** The least index that the log in `directory` still has all about; 0 unless it was pruned. @throws StoreError STORE_CORRUPT */
export async function minimumIndexOf(directory: string): Promise<number> {
  const bytes = await readWhole(minimumPath(directory), SEAL_BYTES_MAX)
  const index = bytes === null ? 0 : parseMinimum(bytes.toString())
  if (index !== null) return index
  throw new StoreError('STORE_CORRUPT', `Cannot read "${minimumPath(directory)}": it does not say where the log begins`)
}

function parseMinimum(text: string): number | null {
  try {
    const { minimumIndex } = JSON.parse(text) as { readonly minimumIndex?: unknown }
    return isBoundary(minimumIndex) ? minimumIndex : null
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return null
    throw error
  }
}

/** An index where archives begin and end. */
function isBoundary(index: unknown): index is number {
  return Number.isSafeInteger(index) && (index as number) >= 0 && (index as number) % TILE_WIDTH === 0
}

/** For whoever only reads: where it is not to be told, everything has to be there, and `onRefused` is told why. */
export async function readableMinimum(directory: string, onRefused: (error: StoreError) => void = () => undefined): Promise<number> {
  try {
    return await minimumIndexOf(directory)
  } catch (error) {
    if (!(error instanceof StoreError)) throw error
    onRefused(error)
    return 0
  }
}

/** The log is held for as long as reading a proof or deleting files takes; copying needs nobody to wait. */
interface LockWait {
  readonly lockWaitMs: number
}

/**
 * Moves the entries of `range` out of the log in `directory`: first an archive of them is durable as `archive`, then the minimum index, then the
 * files go that tlog-tiles lets go of. After a crash, calling it again finishes it.
 *
 * @throws StoreError LOG_LOCKED while somebody writes the log
 */
export async function archiveAndPrune(directory: string, archive: string, range: ArchivedRange): Promise<void> {
  await sealArchive(directory, archive, range, { lockWaitMs: 0 })
  await pruneLog(directory, range.end, { lockWaitMs: 0 })
}

/** Makes a durable archive of `range`; where one of it is there, it is whole. The log stays as it is. @throws as {@link archiveAndPrune} */
export async function sealArchive(directory: string, archive: string, range: ArchivedRange, wait: LockWait): Promise<void> {
  try {
    // Where an archive has its name, it is whole
    if ((await readWhole(join(archive, SEAL), SEAL_BYTES_MAX)) !== null) await assertArchiveOf(archive, range)
    else await writeArchive(resolve(directory), resolve(archive), range, wait)
  } catch (error) {
    throw StoreError.from(`Cannot archive entries ${range.first} to ${range.end - 1} of the log`, error)
  }
}

/** Lets go of what is only about entries before `end`: they have to be in an archive. After a crash, calling it again finishes it. */
export async function pruneLog(directory: string, end: number, wait: LockWait): Promise<void> {
  const paths = logPaths(resolve(directory))
  await using _lock = await lockLog(directory, wait)
  try {
    const minimumIndex = Math.max(end, await minimumIndexOf(directory))
    await writeFileDurably(minimumPath(directory), `${JSON.stringify({ minimumIndex })}\n`, join(paths.scratch, 'minimum'))
    for await (const path of filesOf(paths.tree)) if (endOf(path) <= end) await rm(join(paths.tree, path))
  } catch (error) {
    throw StoreError.from(`Cannot prune the log up to entry ${end}`, error)
  }
}

async function lockLog(directory: string, { lockWaitMs }: LockWait): Promise<FileHandle> {
  const lock = await lockExclusively(logPaths(resolve(directory)).lock, lockWaitMs)
  if (lock !== null) return lock
  throw new StoreError('LOG_LOCKED', `Cannot prune the log in "${directory}": another process writes to it`)
}

async function assertArchiveOf(archive: string, { first, end }: ArchivedRange): Promise<void> {
  const seal = await readSeal(archive)
  if (seal.first !== first || seal.end !== end) throw new RangeError(`"${archive}" is the archive of ${seal.first} to ${seal.end}`)
}

async function writeArchive(directory: string, archive: string, range: ArchivedRange, wait: LockWait): Promise<void> {
  const { tree } = logPaths(directory)
  const scratch = `${archive}.new`
  await rm(scratch, { recursive: true, force: true })
  await makePrivateDirectory(scratch)
  const source = directoryTileSource(tree)
  const { checkpoint, seal } = await sealedNow(directory, source, range, wait)
  // Full files never change: nobody has to hold the log for them
  for await (const path of filesOf(tree))
    if (endOf(path) > range.first && endOf(path) <= range.end) await copyDurably(source, path, scratch)
  await createDurably(join(scratch, 'checkpoint'), checkpoint)
  const keys = await source.read(KEYS_PATH) // After the checkpoint: then they have its key
  if (keys !== null) await createDurably(join(scratch, KEYS_PATH), keys)
  await createDurably(join(scratch, SEAL), Buffer.from(JSON.stringify(seal)))
  await syncDirectories(scratch)
  await rename(scratch, archive)
  await syncDirectory(dirname(archive))
}

/** A checkpoint, and the proof to it, while nobody replaces the partial tiles that it needs. */
async function sealedNow(
  directory: string,
  source: TileSource,
  range: ArchivedRange,
  wait: LockWait,
): Promise<{ readonly checkpoint: Uint8Array; readonly seal: Seal }> {
  await using _lock = await lockLog(directory, wait)
  const checkpoint = await source.read('checkpoint')
  if (checkpoint === null) throw new StoreError('STORE_CORRUPT', 'Cannot archive a part of a log that was never published')
  const { size } = parseCheckpoint(parseNote(checkpoint).text)
  if (range.end > size || range.first >= range.end || range.first % TILE_WIDTH !== 0 || range.end % TILE_WIDTH !== 0)
    throw new RangeError(`${range.first} to ${range.end} is no part of ${size} entries that can be archived`)
  return { checkpoint, seal: await sealOf(source, range, size) }
}

async function sealOf(source: TileSource, { first, end }: ArchivedRange, size: number): Promise<Seal> {
  const hashes = new TileHashes(source, size)
  const base64 = (list: readonly Hash[]): string[] => list.map((hash) => Buffer.from(hash).toString('base64'))
  return { first, end, edge: base64(await edgeAt(hashes, first)), proof: base64(await proveConsistency(hashes, end, size)) }
}

/**
 * Checks an archive by itself: all its entries are hashed, and grow with its proof into a checkpoint that a key of the log has signed.
 * @throws StoreError STORE_CORRUPT, AuditLogError
 */
export async function verifyArchive(archive: string, epochs: readonly KeyEpoch[]): Promise<ArchivedRange & { readonly head: TreeHead }> {
  const source = directoryTileSource(resolve(archive))
  const { first, end, edge, proof } = await readSeal(archive)
  const note = parseNote((await source.read('checkpoint')) ?? new Uint8Array())
  const { size, root } = parseCheckpoint(note.text)
  openNote(
    note,
    epochs.filter(({ firstSize, lastSize }) => firstSize <= size && size <= (lastSize ?? size)).map(({ key }) => noteVerifier(key)),
  )
  for (let bundle = first / TILE_WIDTH; bundle < end / TILE_WIDTH; bundle += 1) {
    const bytes = await source.read(entriesPath({ index: bundle, width: TILE_WIDTH }))
    const entries = bytes === null ? [] : decodeEntries(bytes)
    if (entries.length !== TILE_WIDTH) throw corrupt(archive, `the bundle ${bundle} is not there in full`)
    for (const entry of entries) edge.append(leafHash(entry))
  }
  const head = { size, root }
  if (verifyConsistency({ old: edge.head(), head, proof })) return { first, end, head }
  throw corrupt(archive, 'its entries are not those that were signed')
}

/** Which entries it says that it has. @throws StoreError STORE_CORRUPT when it is no archive */
export async function archivedRange(archive: string): Promise<ArchivedRange> {
  const { first, end } = await readSeal(archive)
  return { first, end }
}

async function readSeal(archive: string): Promise<ArchivedRange & { readonly edge: CompactRange; readonly proof: readonly Hash[] }> {
  const bytes = await readWhole(join(archive, SEAL), SEAL_BYTES_MAX)
  if (bytes === null) throw corrupt(archive, 'it has no seal')
  const seal = parseSeal(bytes.toString())
  if (seal === null) throw corrupt(archive, 'its seal is none')
  return seal
}

/** Untrusted: an archive comes from anywhere. */
function parseSeal(text: string): Awaited<ReturnType<typeof readSeal>> | null {
  try {
    const { first, end, edge, proof } = JSON.parse(text) as Partial<Seal>
    if (!isBoundary(first) || !isBoundary(end) || first >= end || !Array.isArray(edge) || !Array.isArray(proof)) return null
    const hashes = (list: readonly unknown[]): Hash[] => list.map((item) => Buffer.from(String(item), 'base64'))
    return { first, end, edge: new CompactRange(first, hashes(edge)), proof: hashes(proof) }
  } catch (error) {
    // No JSON, no object, or no edge of a tree
    if (error instanceof SyntaxError || error instanceof TypeError || error instanceof RangeError) return null
    throw error
  }
}

/** The log with what was archived of it: `verifyLog` checks the whole of it from its first entry on. */
export function withArchives(log: TileSource, archives: readonly TileSource[]): TileSource {
  return {
    read: async (path) => {
      const own = await log.read(path)
      if (own !== null || path === 'checkpoint' || path === KEYS_PATH) return own
      for (const archive of archives) {
        const bytes = await archive.read(path)
        if (bytes !== null) return bytes
      }
      return null
    },
  }
}

function corrupt(archive: string, problem: string): StoreError {
  return new StoreError('STORE_CORRUPT', `Cannot trust the archive "${archive}": ${problem}`)
}

function minimumPath(directory: string): string {
  return join(resolve(directory), 'minimum.json')
}

/** Tiles and bundles of a tree, by their paths. */
async function* filesOf(log: string, under = 'tile'): AsyncGenerator<string, void, undefined> {
  for (const item of await readdir(join(log, under), { withFileTypes: true })) {
    const path = `${under}/${item.name}`
    if (item.isDirectory()) yield* filesOf(log, path)
    else yield path
  }
}

/** The end index of tlog-tiles: entries before it are all that a full file is about. A partial one is never let go of. */
function endOf(path: string): number {
  const tile = parseTilePath(path)
  if (tile === null || tile.width < TILE_WIDTH) return Number.POSITIVE_INFINITY
  return (tile.index + 1) * 2 ** (TILE_HEIGHT * ((tile.level ?? 0) + 1))
}

async function copyDurably(source: TileSource, path: string, archive: string): Promise<void> {
  const bytes = await source.read(path)
  if (bytes === null) throw new StoreError('STORE_CORRUPT', `Cannot archive "${path}": it is missing`)
  await mkdir(dirname(join(archive, path)), { recursive: true, mode: 0o700 })
  await createDurably(join(archive, path), bytes)
}

/** All names in it, and in what is in it. */
async function syncDirectories(path: string): Promise<void> {
  for (const item of await readdir(path, { withFileTypes: true })) if (item.isDirectory()) await syncDirectories(join(path, item.name))
  await syncDirectory(path)
}
