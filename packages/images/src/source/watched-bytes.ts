// SPDX-License-Identifier: Apache-2.0
import { lstatSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { ImagesError } from '../images-error.ts'

const LOOK_MS = 500
const TELL_LOOKS = 2

export interface Watch {
  /** `/work/out` of the program. */
  readonly directory: string
  /** Of all files together; each alone has its limit from the kernel. */
  readonly bytesMax: number
  readonly signal: AbortSignal
  readonly onBytes?: (bytes: number) => void
}

/** Ends what writes to a directory once that is more than was promised, at the next look. @throws ImagesError IMAGE_REFUSED `layer-bytes` */
export async function withBytesWatched(
  { directory, bytesMax, signal, onBytes }: Watch,
  write: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const tooMuch = new AbortController()
  let looks = 0
  const timer = setInterval(() => {
    const bytes = bytesIn(directory)
    looks += 1
    if (looks % TELL_LOOKS === 0) onBytes?.(bytes)
    if (bytes > bytesMax) tooMuch.abort()
  }, LOOK_MS)
  try {
    await write(AbortSignal.any([signal, tooMuch.signal]))
  } catch (error) {
    if (!tooMuch.signal.aborted || signal.aborted) throw error
  } finally {
    clearInterval(timer)
  }
  if (bytesIn(directory) > bytesMax) throw ImagesError.refused('layer-bytes', `more than ${bytesMax} bytes came for its layers`)
}

/** Names and sizes only: the directory belongs to the program that writes there. */
function bytesIn(directory: string): number {
  try {
    return readdirSync(directory).reduce((sum, name) => sum + (lstatSync(join(directory, name), { throwIfNoEntry: false })?.size ?? 0), 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
      throw new ImagesError('IMAGE_STORE_FAILED', `Cannot read "${directory}"`, { cause: error })
    return 0 // It has not begun.
  }
}
