// SPDX-License-Identifier: Apache-2.0
import type { FileHandle } from 'node:fs/promises'
import { openFile } from '../durable-file.ts'
import { StoreError } from '../store-error.ts'
import { type Entries, FRAME_BYTES_MAX, FRAME_HEADER_BYTES, holdsFrameHeader, parseFrameContent, parseFrameHeader } from './frame.ts'

/**
 * The frames of a file, in order. What a crash left of the last one is dropped, and its length goes to `onTorn`: it never was
 * acknowledged, since the next frame is written only when that one is durable.
 *
 * @throws StoreError STORE_CORRUPT when more than one frame is damaged: what was lost may have been acknowledged.
 */
export async function* readFrames(path: string, onTorn: (bytes: number) => void): AsyncGenerator<Entries, void, undefined> {
  const handle = await openFile(path)
  try {
    const { size } = await handle.stat()
    let at = 0
    while (at < size) {
      const entries = await readFrame(handle, at, size)
      if (entries === null) {
        await assertTorn(handle, { path, at, size })
        return onTorn(size - at)
      }
      yield entries
      at += FRAME_HEADER_BYTES + entries.bytes.byteLength
    }
  } finally {
    await handle.close()
  }
}

async function readFrame(handle: FileHandle, at: number, size: number): Promise<Entries | null> {
  const header = parseFrameHeader(await readExactly(handle, at, FRAME_HEADER_BYTES))
  if (header === null || header.bytes > Math.min(FRAME_BYTES_MAX, size - at - FRAME_HEADER_BYTES)) return null
  return parseFrameContent(header, await readExactly(handle, at + FRAME_HEADER_BYTES, header.bytes))
}

/** Pages of one write reach the disk in any order: anything may be missing in it, but nothing can stand behind it. */
async function assertTorn(handle: FileHandle, { path, at, size }: { path: string; at: number; size: number }): Promise<void> {
  const rest = size - at
  if (rest <= FRAME_BYTES_MAX && !holdsFrameHeader((await readExactly(handle, at, rest)).subarray(1))) return
  throw new StoreError('STORE_CORRUPT', `Cannot read "${path}": the commit at byte ${at} is damaged, and others follow it`, {
    hint: 'The file was changed after it was written, or the disk lost a part of it',
  })
}

/** Fewer bytes where the file ends before. */
async function readExactly(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafeSlow(length)
  let done = 0
  while (done < length) {
    const { bytesRead } = await handle.read(buffer, done, length - done, position + done)
    if (bytesRead === 0) break
    done += bytesRead
  }
  return buffer.subarray(0, done)
}
