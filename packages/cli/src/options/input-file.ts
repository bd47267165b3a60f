// SPDX-License-Identifier: Apache-2.0
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { formatSize, messageOf } from '@sallyport/core'
import { UsageError } from '../usage-error.ts'

export interface InputFile {
  /** What the user calls it, e.g. `--payload`. */
  readonly option: string
  readonly bytesMax: number
}

/** Text of a file that the user named. Not opened in a way that waits: a FIFO without a writer would hang for ever. */
export function readInputFile(path: string, { option, bytesMax }: InputFile): string {
  const fail = (what: string, hint?: string): never => {
    throw new UsageError('FILE_UNREADABLE', `Cannot read "${path}" for ${option}: ${what}`, hint === undefined ? {} : { hint })
  }
  let fd: number
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
  } catch (error) {
    return fail(messageOf(error))
  }
  try {
    const stat = fstatSync(fd)
    if (!stat.isFile())
      return fail(
        'it is not a regular file',
        'Pipes and devices are not read; write a file that only you can read, and delete it afterwards',
      )
    if (stat.size > bytesMax) return fail(`it has ${formatSize(stat.size)}, and the most is ${formatSize(bytesMax)}`)
    return decode(readAll(fd, bytesMax), fail)
  } finally {
    closeSync(fd)
  }
}

function readAll(fd: number, bytesMax: number): Buffer {
  const chunks: Buffer[] = []
  let total = 0
  while (total <= bytesMax) {
    const chunk = Buffer.allocUnsafe(64 * 1024)
    const bytes = readSync(fd, chunk)
    if (bytes === 0) break
    chunks.push(chunk.subarray(0, bytes))
    total += bytes
  }
  return Buffer.concat(chunks)
}

function decode(bytes: Buffer, fail: (what: string) => never): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return fail('it is not UTF-8 text')
  }
}
