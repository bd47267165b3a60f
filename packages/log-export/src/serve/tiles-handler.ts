// SPDX-License-Identifier: Apache-2.0
// The HTTP of C2SP tlog-tiles over a log's directory, for monitors: read-only, and nothing but the specified paths.
import { type FileHandle, readlink, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { createGzip } from 'node:zlib'
import {
  entriesPath,
  HASH_BYTES,
  hashesAt,
  KEYS_BYTES_MAX,
  KEYS_PATH,
  NOTE_BYTES_MAX,
  parseTilePath,
  TILE_WIDTH,
  tilePath,
} from '@sallyport/audit-log'
import { type HttpAnswer, type HttpHandler, type HttpRequest, textAnswer } from '@sallyport/http'
import { directoryTileSource, openFile } from '@sallyport/store'
import { readPublishedTree } from '../log-reader.ts'

const CHECKPOINT_HEADERS = { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-cache' } as const
const KEYS_HEADERS = { 'content-type': 'application/json', 'cache-control': 'no-cache' } as const
const TILE_HEADERS = { 'content-type': 'application/octet-stream', 'cache-control': 'public, max-age=31536000, immutable' } as const
/** A file that is not there today may be tomorrow. */
const MISSING_HEADERS = { 'cache-control': 'no-cache' } as const

interface WholeFile {
  readonly bytesMax: number
  readonly headers: Readonly<Record<string, string>>
}

const WHOLE_FILES: Readonly<Record<string, WholeFile>> = {
  checkpoint: { bytesMax: NOTE_BYTES_MAX, headers: CHECKPOINT_HEADERS },
  [KEYS_PATH]: { bytesMax: KEYS_BYTES_MAX, headers: KEYS_HEADERS },
}

type TileOrBundle = NonNullable<ReturnType<typeof parseTilePath>>

/** A file, or the beginning of one. */
interface Found {
  readonly handle: FileHandle
  readonly bytes: number
}

/**
 * `directory`: the one that holds `checkpoint` and `tile`. Only what the published checkpoint covers is served; and `keys`, once a key was changed: what old
 * keys have signed, for those who trust one of them.
 */
export async function tilesHandler(directory: string): Promise<HttpHandler> {
  const root = await realpath(directory)
  return async (request) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') return textAnswer(405, 'method not allowed\n', { allow: 'GET, HEAD' })
    const path = request.path.startsWith('/') ? request.path.slice(1) : ''
    const whole = Object.hasOwn(WHOLE_FILES, path) ? WHOLE_FILES[path] : undefined
    const answer = whole === undefined ? await tileAnswer(root, path, request) : await wholeAnswer(root, path, whole)
    return answer ?? textAnswer(404, 'not found\n', MISSING_HEADERS)
  }
}

async function tileAnswer(root: string, path: string, request: HttpRequest): Promise<HttpAnswer | null> {
  const tile = parseTilePath(path)
  if (tile === null) return null
  const { size } = await readPublishedTree(directoryTileSource(root))
  if (!isCovered(tile, size)) return null
  const whole = await openWithin(root, path)
  const found = whole === null ? await findBeginning(root, tile, size) : { handle: whole, bytes: (await whole.stat()).size }
  return found === null ? null : fileAnswer(found, { isBundle: tile.level === null, request })
}

function isCovered(tile: TileOrBundle, size: number): boolean {
  return tile.index * TILE_WIDTH + tile.width <= hashesAt(size, tile.level ?? 0)
}

/**
 * A partial file that is gone because the full one is there, which no published checkpoint covers yet: as long as its witnesses let a log wait, readers
 * need the partial one (tlog-tiles, "Partial Tiles"). Once the full one is served, it is that one that they take.
 */
async function findBeginning(root: string, tile: TileOrBundle, size: number): Promise<Found | null> {
  const full = { ...tile, width: TILE_WIDTH }
  if (tile.width === TILE_WIDTH || isCovered(full, size)) return null
  const { level } = tile
  const handle = await openWithin(root, level === null ? entriesPath(full) : tilePath({ ...full, level }))
  if (handle === null) return null
  const bytes = level === null ? await bundleBytes(handle, tile.width) : tile.width * HASH_BYTES
  if (bytes <= (await handle.stat()).size) return { handle, bytes }
  await handle.close()
  return null
}

/** Where the first `count` entries of a bundle end. */
async function bundleBytes(handle: FileHandle, count: number): Promise<number> {
  const length = Buffer.alloc(2)
  let end = 0
  for (let entry = 0; entry < count; entry++) {
    const { bytesRead } = await handle.read(length, 0, length.byteLength, end)
    if (bytesRead < length.byteLength) return Number.POSITIVE_INFINITY
    end += length.byteLength + length.readUInt16BE(0)
  }
  return end
}

function fileAnswer({ handle, bytes }: Found, { isBundle, request }: { isBundle: boolean; request: HttpRequest }): HttpAnswer {
  const file = handle.createReadStream({ start: 0, end: bytes - 1 })
  if (!isBundle || !takesGzip(request))
    return { status: 200, headers: { ...TILE_HEADERS, ...varyFor(isBundle), 'content-length': String(bytes) }, body: file }
  const gzip = createGzip()
  file.once('error', (error) => gzip.destroy(error))
  gzip.once('close', () => file.destroy())
  return { status: 200, headers: { ...TILE_HEADERS, ...varyFor(isBundle), 'content-encoding': 'gzip' }, body: file.pipe(gzip) }
}

/** Read as a whole: the writer replaces it at any moment. */
async function wholeAnswer(root: string, path: string, { bytesMax, headers }: WholeFile): Promise<HttpAnswer | null> {
  await using handle = await openWithin(root, path)
  return handle === null || (await handle.stat()).size > bytesMax ? null : { status: 200, headers, body: await handle.readFile() }
}

/** Null when there is no such file, or what is there is no file of this directory: a link anywhere on the way leads elsewhere. */
async function openWithin(root: string, path: string): Promise<FileHandle | null> {
  const handle = await openFile(join(root, path)).catch((error: unknown) => {
    if (isAbsent(error)) return null
    throw error
  })
  if (handle === null || (await readlink(`/proc/self/fd/${handle.fd}`)) === join(root, path)) return handle
  await handle.close()
  return null
}

function isAbsent(error: unknown): boolean {
  return error instanceof Error && 'code' in error && ['ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO'].includes(String(error.code))
}

function varyFor(isBundle: boolean): Readonly<Record<string, string>> {
  return isBundle ? { vary: 'accept-encoding' } : {}
}

function takesGzip(request: HttpRequest): boolean {
  const accepted = (request.header('accept-encoding') ?? '').split(',').map((item) => item.trim().toLowerCase())
  return accepted.some((item) => /^gzip(?:;q=(?:1(?:\.0+)?|0\.\d*[1-9]\d*))?$/.test(item))
}
