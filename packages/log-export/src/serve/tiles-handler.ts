// SPDX-License-Identifier: Apache-2.0
// The HTTP of C2SP tlog-tiles over a log's directory, for monitors: read-only, and nothing but the specified paths.
import { type FileHandle, readlink, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { createGzip } from 'node:zlib'
import { hashesAt, NOTE_BYTES_MAX, parseTilePath, TILE_WIDTH } from '@sallyport/audit-log'
import { type HttpAnswer, type HttpHandler, type HttpRequest, textAnswer } from '@sallyport/http'
import { directoryTileSource, openFile } from '@sallyport/store'
import { readPublishedTree } from '../log-reader.ts'

const CHECKPOINT_HEADERS = { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-cache' } as const
const TILE_HEADERS = { 'content-type': 'application/octet-stream', 'cache-control': 'public, max-age=31536000, immutable' } as const
/** A file that is not there today may be tomorrow. */
const MISSING_HEADERS = { 'cache-control': 'no-cache' } as const

/** `directory`: the one that holds `checkpoint` and `tile`. Only what the published checkpoint covers is served. */
export async function tilesHandler(directory: string): Promise<HttpHandler> {
  const root = await realpath(directory)
  return async (request) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') return textAnswer(405, 'method not allowed\n', { allow: 'GET, HEAD' })
    const path = request.path.slice(1)
    const isServed = request.path.startsWith('/') && (path === 'checkpoint' || (await isPublished(root, path)))
    return (isServed ? await fileAnswer(root, path, request) : null) ?? textAnswer(404, 'not found\n', MISSING_HEADERS)
  }
}

async function isPublished(root: string, path: string): Promise<boolean> {
  const tile = parseTilePath(path)
  if (tile === null) return false
  const { size } = await readPublishedTree(directoryTileSource(root))
  return tile.index * TILE_WIDTH + tile.width <= hashesAt(size, tile.level ?? 0)
}

async function fileAnswer(root: string, path: string, request: HttpRequest): Promise<HttpAnswer | null> {
  const handle = await openWithin(root, path)
  if (handle === null) return null
  const { size } = await handle.stat()
  if (path === 'checkpoint') return checkpointAnswer(handle, size)
  const isBundle = path.startsWith('tile/entries/')
  const file = handle.createReadStream()
  if (!isBundle || !takesGzip(request))
    return { status: 200, headers: { ...TILE_HEADERS, ...varyFor(isBundle), 'content-length': String(size) }, body: file }
  const gzip = createGzip()
  file.once('error', (error) => gzip.destroy(error))
  gzip.once('close', () => file.destroy())
  return { status: 200, headers: { ...TILE_HEADERS, ...varyFor(isBundle), 'content-encoding': 'gzip' }, body: file.pipe(gzip) }
}

/** Read as a whole: the writer replaces it at any moment. */
async function checkpointAnswer(handle: FileHandle, size: number): Promise<HttpAnswer | null> {
  await using _closing = handle
  return size > NOTE_BYTES_MAX ? null : { status: 200, headers: CHECKPOINT_HEADERS, body: await handle.readFile() }
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
