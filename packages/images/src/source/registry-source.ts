// SPDX-License-Identifier: Apache-2.0
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { formatSize } from '@sallyport/core'
import type { ImageStoreOptions, PullOptions } from '../contract.ts'
import type { ImageLimits } from '../limits.ts'
import type { Manifest } from '../manifest/manifest.ts'
import { assertDigest } from '../manifest/parse-json.ts'
import type { RegistryReference } from '../reference/reference.ts'
import { fetchManifest, type RegistryAccess, transferImage } from '../tools/skopeo.ts'
import { type ResolvedImage, resolveManifest } from './resolved-image.ts'
import { withBytesWatched } from './watched-bytes.ts'

export interface SourceSettings {
  readonly options: ImageStoreOptions
  readonly limits: ImageLimits
  /** For this pull alone. */
  readonly workDirectory: string
  readonly pull: PullOptions
}

/** Beside the longest layer, a file may be so long: manifests, version. */
const SPARE_BYTES = 8 * 2 ** 20

/** Asks the registry, with this caller's credentials, whatever is stored. @throws ImagesError */
export async function resolveInRegistry(reference: RegistryReference, settings: SourceSettings): Promise<ResolvedImage> {
  const { registry, repository, digest } = reference
  const { limits, workDirectory, pull, options } = settings
  const authority = Object.hasOwn(options.authorities ?? {}, registry) ? options.authorities?.[registry] : undefined
  if (authority !== undefined) {
    await mkdir(join(workDirectory, 'certs'), { mode: 0o755 })
    await writeFile(join(workDirectory, 'certs', 'ca.crt'), authority, { mode: 0o644 })
  }
  const access: RegistryAccess = {
    registry,
    repository,
    credentials: pull.credentials,
    isPlain: options.dangerouslyWithoutTls?.includes(registry) ?? false,
    hasAuthority: authority !== undefined,
    workDirectory,
    signal: pull.signal,
  }
  const first = await fetchManifest(access, reference)
  if (digest !== null) assertDigest(first, digest, 'what its registry sent')
  const resolved = await resolveManifest(first, (child) => fetchManifest(access, { tag: null, digest: child.digest }), limits)
  return { ...resolved, place: `${registry}/${repository}`, transfer: () => transfer(access, resolved.digest, resolved.manifest, pull) }
}

async function transfer(
  access: RegistryAccess,
  digest: string,
  manifest: Manifest,
  pull: PullOptions,
): Promise<(digest: string) => string> {
  const sizes = [manifest.config, ...manifest.layers].map(({ size }) => size)
  const directory = join(access.workDirectory, 'out')
  const total = sizes.reduce((sum, size) => sum + size, 0)
  const onBytes = (bytes: number): void => pull.onProgress?.(`${formatSize(bytes)} of ${formatSize(total)}`)
  await withBytesWatched({ directory, bytesMax: total + SPARE_BYTES, signal: pull.signal, onBytes }, (signal) =>
    transferImage({ ...access, signal }, digest, Math.max(...sizes) + SPARE_BYTES),
  )
  return (blob) => join(directory, blob.slice('sha256:'.length))
}
