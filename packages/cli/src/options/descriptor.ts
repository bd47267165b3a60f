// SPDX-License-Identifier: Apache-2.0
import { readSync } from 'node:fs'
import { messageOf } from '@sallyport/core'
import { UsageError } from '../usage-error.ts'

export function parseDescriptor(text: string): number {
  if (/^\d{1,4}$/.test(text)) return Number(text)
  throw new UsageError('USAGE', `"${text.slice(0, 40)}" is no number of a descriptor`, { hint: 'For example: --passphrase-fd 3 3< FILE' })
}

/** All of it, to its end. Whoever calls wipes it. @throws UsageError */
export function readDescriptor(option: string, fd: number, bytesMax: number): Buffer {
  const bytes = Buffer.alloc(bytesMax + 1)
  let length = 0
  try {
    for (let read = -1; read !== 0 && length <= bytesMax; length += read)
      read = readSync(fd, bytes, length, bytes.byteLength - length, null)
  } catch (error) {
    throw new UsageError('FILE_UNREADABLE', `Cannot read descriptor ${fd} for ${option}: ${messageOf(error)}`, {
      hint: `Open it for this command: ${option} ${fd} ${fd}< FILE`,
    })
  }
  if (length > bytesMax)
    throw new UsageError('FILE_UNREADABLE', `Cannot use descriptor ${fd} for ${option}: it has more than ${bytesMax} bytes`)
  return bytes.subarray(0, length)
}
