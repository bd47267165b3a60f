// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { ImagesError } from '../images-error.ts'

/** Makes everything on the file system of a directory durable: an fsync of each of its files would take minutes. @throws ImagesError IMAGE_STORE_FAILED */
export async function syncFileSystem(directory: string): Promise<void> {
  const child = spawn('sync', ['--file-system', directory], { env: { PATH: '/usr/bin:/bin' }, stdio: 'ignore' })
  const [code] = (await once(child, 'exit')) as [number | null]
  if (code !== 0) throw new ImagesError('IMAGE_STORE_FAILED', `Cannot make "${directory}" durable: sync ended with ${code}`)
}
