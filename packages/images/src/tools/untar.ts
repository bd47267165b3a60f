// SPDX-License-Identifier: Apache-2.0
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { ImagesError } from '../images-error.ts'
import { runJailed } from './jail.spawn.ts'
import { toolFailure } from './tool-failure.ts'

/**
 * Unpacks an archive that is a layout to `/work`, as the transfer's user. Whatever it makes of names and links there stays there, and whoever reads it afterwards follows none. From a pipe, so
 * that it takes no compressed one, and is no longer than its file.
 *
 * @throws ImagesError
 */
export async function unpackLayoutArchive(path: string, workDirectory: string, fileBytesMax: number, signal: AbortSignal): Promise<void> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  await using _closing = file
  const stat = await file.stat()
  if (!stat.isFile()) throw new ImagesError('IMAGE_REFERENCE_INVALID', `"${path}" is no file`)
  if (stat.size > fileBytesMax)
    throw ImagesError.refused('layer-bytes', `the archive has ${stat.size} bytes, and ${fileBytesMax} are the most`)
  const argv = ['--extract', '--file=-', '--no-same-owner', '--no-same-permissions', '--directory=/work']
  const result = await runJailed({
    program: 'tar',
    argv,
    workDirectory,
    identity: 'transfer',
    hasNetwork: false,
    auth: null,
    fileBytesMax,
    stdin: file.fd,
    signal,
  })
  if (result.exitCode === 0) return
  const failure = toolFailure(result, 'Cannot unpack the archive')
  throw failure.code === 'IMAGE_STORE_FULL' ? failure : ImagesError.refused('malformed', failure.message)
}
