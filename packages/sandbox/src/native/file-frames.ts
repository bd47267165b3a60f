// SPDX-License-Identifier: Apache-2.0
import type { FileEntry, PutEntry } from '../contract.ts'
import { SandboxError } from '../sandbox-error.ts'
import type { ByteReader } from './byte-reader.ts'

/** Linux PATH_MAX. */
const PATH_MAX_BYTES = 4096

// ---- into the sandbox: native/src/put.c

/** The frames of `put`, in pieces; file contents are passed on as they come. */
export async function* putFrames(entries: AsyncIterable<PutEntry> | Iterable<PutEntry>): AsyncGenerator<Uint8Array> {
  for await (const entry of entries) {
    if (entry.type === 'directory') {
      yield putHeader('D', entry.mode, entry.path, 0)
    } else if (entry.type === 'symlink') {
      const target = Buffer.from(entry.target)
      yield putHeader('L', 0o777, entry.path, target.length)
      yield target
    } else {
      yield putHeader('F', entry.mode, entry.path, entry.size)
      yield* exactly(entry.path, entry.size, entry.content)
    }
  }
  yield putHeader('E', 0, '', 0)
}

function putHeader(type: string, mode: number, path: string, size: number): Buffer {
  const name = Buffer.from(path)
  if (name.length > PATH_MAX_BYTES) throw new SandboxError('SANDBOX_INPUT', `Path of ${name.length} bytes is longer than ${PATH_MAX_BYTES}`)
  const header = Buffer.alloc(17 + name.length)
  header.write(type, 0, 'latin1')
  header.writeUInt32LE(mode, 1)
  header.writeUInt32LE(name.length, 5)
  header.writeBigUInt64LE(BigInt(size), 9)
  name.copy(header, 17)
  return header
}

/** A source file that changed its size since it was looked at would shift every frame after it. */
async function* exactly(path: string, size: number, content: Uint8Array | AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let sent = 0
  for await (const part of content instanceof Uint8Array ? [content] : content) {
    sent += part.length
    if (sent > size) break
    yield part
  }
  if (sent !== size) throw new SandboxError('SANDBOX_INPUT', `File "${path}" changed while it was copied`)
}

// ---- out of the sandbox: native/src/list.c and native/src/read.c. Every number and name is hostile.

const LIST_TYPES: Readonly<Record<string, FileEntry['type']>> = { f: 'file', d: 'directory', l: 'symlink', o: 'other' }

/** Of all paths of a list together. A million paths of 4 KiB each would fill our memory; those of a big real tree have a hundred bytes. */
const LIST_PATHS_MAX_BYTES = 256 << 20

/** All entries of a `list` answer. @throws SANDBOX_PROTOCOL, SANDBOX_INPUT when there is more than the limits allow. */
export async function readListing(
  reader: ByteReader,
  entriesMax: number,
  pathsMaxBytes: number = LIST_PATHS_MAX_BYTES,
): Promise<FileEntry[]> {
  const entries: FileEntry[] = []
  let pathsLeft = pathsMaxBytes
  for (;;) {
    const header = await reader.demand(25)
    const kind = header.toString('latin1', 0, 1)
    if (kind === 'E') return entries
    if (kind === 'T' || entries.length >= entriesMax) {
      throw new SandboxError('SANDBOX_INPUT', `More than ${entriesMax} files under one directory of the sandbox`)
    }
    const type = LIST_TYPES[kind]
    const pathBytes = header.readUInt32LE(21)
    if (type === undefined || pathBytes === 0 || pathBytes > PATH_MAX_BYTES)
      throw new SandboxError('SANDBOX_PROTOCOL', 'Malformed file list')
    pathsLeft -= pathBytes
    if (pathsLeft < 0)
      throw new SandboxError('SANDBOX_INPUT', `Paths of more than ${pathsMaxBytes} bytes under one directory of the sandbox`)
    const name = await reader.demand(pathBytes)
    const size = header.readBigUInt64LE(5)
    const path = decodePath(name)
    if (path !== null && !isBelow(path)) throw new SandboxError('SANDBOX_PROTOCOL', 'Malformed file list')
    // A name that is no UTF-8 cannot be named in a pattern or kept by us; it is left where it is.
    if (path !== null)
      entries.push({ path, type, mode: header.readUInt32LE(1), size: Number(size), changedAtNs: header.readBigUInt64LE(13) })
  }
}

/** Whether a listed path names something below the root, as every one of our own helper does. */
function isBelow(path: string): boolean {
  return path.split('/').every((part) => part !== '' && part !== '.' && part !== '..')
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function decodePath(bytes: Uint8Array): string | null {
  try {
    return utf8.decode(bytes)
  } catch {
    // Not UTF-8: the one reason for which decode throws.
    return null
  }
}

export function readRequest(path: string): Buffer {
  const name = Buffer.from(path)
  const request = Buffer.alloc(4 + name.length)
  request.writeUInt32LE(name.length, 0)
  name.copy(request, 4)
  return request
}

const CUT = 0xffff_ffff
const FAILED = 0xffff_fffe
const CHUNK_MAX_BYTES = 1 << 24

/** The answer for one file; null for what is no readable regular file. The content must be consumed before the next answer. */
export async function readFileAnswer(reader: ByteReader): Promise<AsyncGenerator<Uint8Array> | null> {
  const header = await reader.demand(9)
  const status = header.toString('latin1', 0, 1)
  if (status === 'F') return fileChunks(reader)
  if (status === 'N' || status === 'T' || status === 'X') return null
  throw new SandboxError('SANDBOX_PROTOCOL', 'Malformed file answer')
}

async function* fileChunks(reader: ByteReader): AsyncGenerator<Uint8Array> {
  for (;;) {
    const size = (await reader.demand(4)).readUInt32LE(0)
    if (size === 0) return
    if (size === CUT) throw new SandboxError('SANDBOX_INPUT', 'File of the sandbox is over the limit')
    if (size === FAILED) throw new SandboxError('SANDBOX_INPUT', 'File of the sandbox could not be read to its end')
    if (size > CHUNK_MAX_BYTES) throw new SandboxError('SANDBOX_PROTOCOL', 'Malformed file content')
    let left = size
    while (left > 0) {
      const part = await reader.readSome(left)
      if (part === null) throw new SandboxError('SANDBOX_PROTOCOL', 'File content ends early')
      left -= part.length
      yield part
    }
  }
}
