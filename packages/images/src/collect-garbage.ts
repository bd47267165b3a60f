// SPDX-License-Identifier: Apache-2.0
import { constants } from 'node:fs'
import { type FileHandle, open, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { tryLockFile } from '@sallyport/linux'
import type { GcOptions, GcResult } from './contract.ts'
import { ImagesError } from './images-error.ts'
import type { ImageLimits } from './limits.ts'
import { type OpenedImage, openImage } from './store/image-directory.ts'
import { nameOf, type StoreDirectories, USE } from './store/image-files.ts'
import { LOCK_FLAGS } from './store/locks.ts'
import { Staging } from './store/staging.ts'

type Removed = GcResult['removed'][number]
type Kept = GcResult['kept'][number]

/** Removes what no name leads to, what has not been used for long, and what is damaged; nothing that is in use or being pulled. */
export async function collectGarbage(
  directories: StoreDirectories,
  digests: readonly string[],
  limits: ImageLimits,
  options: GcOptions,
): Promise<Omit<GcResult, 'leftovers'>> {
  const removed: Removed[] = []
  const kept: Kept[] = []
  for (const digest of digests) {
    options.signal.throwIfAborted()
    const result = await collectImage(directories, digest, limits, options)
    if (result === null) continue
    if ('reason' in result) kept.push(result)
    else removed.push(result)
  }
  return { removed, kept, freedBytes: removed.reduce((sum, { bytes }) => sum + bytes, 0) }
}

/** Null: somebody else has just removed it. */
async function collectImage(
  directories: StoreDirectories,
  digest: string,
  limits: ImageLimits,
  options: GcOptions,
): Promise<Removed | Kept | null> {
  const directory = join(directories.images, nameOf(digest))
  await using pull = await tryLock(join(directories.locks, nameOf(digest)), LOCK_FLAGS)
  if (pull.isTaken) return { digest, reason: 'in-use' }
  await using use = await tryLock(join(directory, USE), constants.O_RDWR | constants.O_NOFOLLOW)
  if (use.isTaken) return { digest, reason: 'in-use' }
  const opened = openOrDamaged(directory, digest, limits)
  if (opened === null) return null
  if (opened !== 'damaged' && opened.state.damage === null) {
    const lastUseMs = use.handle === null ? 0 : (await use.handle.stat()).mtimeMs
    const isOld = options.unusedForMs !== null && Date.now() - lastUseMs >= options.unusedForMs
    if (opened.state.references.length > 0 && !isOld) return { digest, reason: 'referenced' }
  }
  if (!options.isDryRun) await remove(directories, directory)
  const { references, bytes } =
    opened === 'damaged' ? { references: [], bytes: 0 } : { references: opened.state.references, bytes: opened.record.bytes }
  return { digest, references, bytes }
}

interface Lock extends AsyncDisposable {
  readonly isTaken: boolean
  /** Null: it is taken, or there is no such file. */
  readonly handle: FileHandle | null
}

async function tryLock(path: string, flags: number): Promise<Lock> {
  const handle = await open(path, flags, 0o600).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null
    throw error
  })
  const isTaken = handle !== null && !tryLockFile(handle.fd)
  return { isTaken, handle: isTaken ? null : handle, [Symbol.asyncDispose]: async () => handle?.close() }
}

function openOrDamaged(directory: string, digest: string, limits: ImageLimits): OpenedImage | 'damaged' | null {
  try {
    return openImage(directory, digest, limits)
  } catch (error) {
    if (error instanceof ImagesError) return 'damaged'
    throw error
  }
}

/** Its name is gone at once; what is below it goes while nobody can find it, and what a crash leaves of it is a leftover. */
async function remove({ staging }: StoreDirectories, directory: string): Promise<void> {
  await using place = await Staging.create(staging)
  await rename(directory, join(place.directory, 'image'))
}
