// SPDX-License-Identifier: Apache-2.0
import { constants } from 'node:fs'
import { copyFile, lstat, open } from 'node:fs/promises'
import { join } from 'node:path'
import { quote } from '@sallyport/core'
import { ImagesError } from '../images-error.ts'
import { MANIFEST_BYTES_MAX } from '../limits.ts'
import type { LocalReference } from '../reference/reference.ts'
import { TRANSFER_UID } from '../tools/jail.spawn.ts'
import { convertDockerArchive } from '../tools/skopeo.ts'
import { unpackLayoutArchive } from '../tools/untar.ts'
import { resolveInLayout } from './layout-source.ts'
import { readSmall } from './read-small.ts'
import type { SourceSettings } from './registry-source.ts'
import { type ResolvedImage, resolveManifest } from './resolved-image.ts'
import { withBytesWatched } from './watched-bytes.ts'

/** An image on this machine, of any kind. @throws ImagesError */
export async function resolveLocal({ kind, path, tag }: LocalReference, settings: SourceSettings): Promise<ResolvedImage> {
  if (kind === 'oci') return resolveInLayout(path, tag, settings)
  await assertArchive(path, settings.limits.layerBytesMax)
  const { workDirectory, limits, pull } = settings
  if (kind === 'docker-archive') return resolveDockerArchive(path, tag, settings)
  await unpackLayoutArchive(path, workDirectory, limits.layerBytesMax, pull.signal)
  return resolveInLayout(workDirectory, tag, settings)
}

async function resolveDockerArchive(
  path: string,
  tag: string | null,
  { workDirectory, limits, pull }: SourceSettings,
): Promise<ResolvedImage> {
  const copy = join(workDirectory, 'in.tar')
  await copyFile(path, copy, constants.COPYFILE_FICLONE)
  const handle = await open(copy, constants.O_RDONLY)
  await handle.chown(TRANSFER_UID, TRANSFER_UID).finally(() => handle.close())
  const out = join(workDirectory, 'out')
  await withBytesWatched({ directory: out, bytesMax: limits.unpackedBytesMax, signal: pull.signal }, (signal) =>
    convertDockerArchive({ workDirectory, signal }, tag, limits.unpackedBytesMax),
  )
  const manifest = await readSmall(join(out, 'manifest.json'), MANIFEST_BYTES_MAX)
  const resolved = await resolveManifest(manifest, () => Promise.reject(ImagesError.refused('nested-index', 'it has indexes')), limits)
  return { ...resolved, place: null, transfer: async () => (digest) => join(out, digest.slice('sha256:'.length)) }
}

async function assertArchive(path: string, bytesMax: number): Promise<void> {
  const stat = await lstat(path).catch(() => null)
  if (stat?.isFile() !== true) throw new ImagesError('IMAGE_NOT_FOUND', `${quote(path)} is no file`)
  if (stat.size > bytesMax) throw ImagesError.refused('layer-bytes', `the archive has ${stat.size} bytes, and ${bytesMax} are the most`)
}
