// SPDX-License-Identifier: Apache-2.0
import { createHash, type Hash } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { ImagesError } from '../images-error.ts'
import type { LayerDescriptor } from '../manifest/manifest.ts'
import { compressionOf, decompress } from './decompress.ts'

const PART_BYTES: number = 256 * 1024

/** A layer in a file that nobody changes any more. */
export interface LayerFile {
  readonly path: string
  readonly descriptor: LayerDescriptor
  readonly diffId: string
}

/** What all layers have been unpacked to so far. */
export interface UnpackedCount {
  bytes: number
  readonly bytesMax: number
}

/** Compares size and digest of a layer with its descriptor. @throws ImagesError IMAGE_REFUSED `digest` */
export async function assertLayerDigest({ path, descriptor }: LayerFile, signal: AbortSignal): Promise<void> {
  const handle = await openLayer(path)
  await using _closing = handle
  const stat = await handle.stat()
  if (!stat.isFile() || stat.size !== descriptor.size)
    throw ImagesError.refused('digest', `a layer has ${stat.size} bytes, and its manifest says ${descriptor.size}`)
  const hash = createHash('sha256')
  for await (const chunk of streamOf(handle, signal)) hash.update(chunk as Buffer)
  if (`sha256:${hash.digest('hex')}` !== descriptor.digest)
    throw ImagesError.refused('digest', `a layer does not have the digest ${descriptor.digest}`)
}

/** The tar archive of a layer. Read to its end, it has its diffID, or this ends with an error. @throws ImagesError IMAGE_REFUSED */
export async function* readLayer(
  { path, descriptor, diffId }: LayerFile,
  count: UnpackedCount,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const hash = createHash('sha256')
  const handle = await openLayer(path)
  await using _closing = handle
  const beginning = Buffer.alloc(2)
  await handle.read(beginning, 0, 2, 0)
  const compression = compressionOf(descriptor.compression, beginning)
  const unpacked = decompress(streamOf(handle, signal), compression)
  try {
    for await (const chunk of unpacked as AsyncIterable<Buffer>) {
      count.bytes += chunk.length
      if (count.bytes > count.bytesMax)
        throw ImagesError.refused('unpacked-bytes', `its layers unpack to more than ${count.bytesMax} bytes (unpackedBytesMax)`)
      hash.update(chunk)
      yield chunk
    }
  } catch (error) {
    throw signal.aborted || !isZlibError(error)
      ? error
      : ImagesError.refused('malformed', `a layer is not packed as its manifest says (${compression})`)
  } finally {
    unpacked.destroy()
  }
  assertDiffId(hash, diffId)
}

async function openLayer(path: string): Promise<FileHandle> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    throw ImagesError.refused('malformed', `a layer cannot be read (${(error as NodeJS.ErrnoException).code})`)
  }
}

function streamOf(handle: FileHandle, signal: AbortSignal): Readable {
  return handle.createReadStream({ autoClose: false, start: 0, highWaterMark: PART_BYTES, signal })
}

function assertDiffId(hash: Hash, diffId: string): void {
  if (`sha256:${hash.digest('hex')}` !== diffId)
    throw ImagesError.refused('digest', `a layer, unpacked, does not have the digest ${diffId}`)
}

function isZlibError(error: unknown): boolean {
  return error instanceof Error && /^(Z_|ZSTD_|ERR_ZLIB)/.test(String((error as NodeJS.ErrnoException).code))
}
