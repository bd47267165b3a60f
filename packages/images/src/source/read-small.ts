// SPDX-License-Identifier: Apache-2.0
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { quote } from '@sallyport/core'
import { ImagesError } from '../images-error.ts'

/** All of a regular file, which may be a stranger's: no link, FIFO or device in its place, and no more than `bytesMax` of it. @throws ImagesError IMAGE_REFUSED */
export async function readSmall(path: string, bytesMax: number): Promise<Buffer> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
    (error: NodeJS.ErrnoException) => {
      throw ImagesError.refused('malformed', `${quote(path)} cannot be read (${error.code})`)
    },
  )
  await using _closing = handle
  const stat = await handle.stat()
  if (!stat.isFile()) throw ImagesError.refused('malformed', `${quote(path)} is no file`)
  if (stat.size > bytesMax) throw ImagesError.refused('manifest-bytes', `a manifest has ${stat.size} bytes, and ${bytesMax} are the most`)
  const buffer = Buffer.alloc(stat.size)
  const { bytesRead } = await handle.read(buffer, 0, stat.size, 0)
  return buffer.subarray(0, bytesRead)
}
