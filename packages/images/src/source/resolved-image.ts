// SPDX-License-Identifier: Apache-2.0
import { ImagesError } from '../images-error.ts'
import { type ImageLimits, INDEX_DEPTH_MAX } from '../limits.ts'
import type { Descriptor } from '../manifest/descriptor.ts'
import { type Manifest, parseManifest } from '../manifest/manifest.ts'
import { assertDigest, digestOf } from '../manifest/parse-json.ts'
import { choosePlatform } from '../manifest/platform.ts'

/** The manifest of this platform, by whatever name it was asked for. */
export interface ResolvedManifest {
  readonly bytes: Buffer
  readonly digest: string
  readonly manifest: Manifest
}

export interface ResolvedImage extends ResolvedManifest {
  /** `HOST[:PORT]/REPOSITORY`, which has shown its manifest to this caller; null: it is on this machine. */
  readonly place: string | null
  /** Brings every blob here. @returns the file of a blob; what is in it has not been compared with its digest yet */
  transfer(): Promise<(digest: string) => string>
}

/**
 * Goes from what a name leads to, by indexes, to the manifest of this platform.
 *
 * @param read A manifest by its descriptor; its digest is compared here
 * @throws ImagesError IMAGE_REFUSED
 */
export async function resolveManifest(
  first: Buffer,
  read: (descriptor: Descriptor) => Promise<Buffer>,
  limits: ImageLimits,
): Promise<ResolvedManifest> {
  let bytes = first
  for (let depth = 0; ; depth += 1) {
    const parsed = parseManifest(bytes, limits)
    if (parsed.kind === 'manifest') return { bytes, digest: digestOf(bytes), manifest: parsed }
    if (depth >= INDEX_DEPTH_MAX) throw ImagesError.refused('nested-index', `its indexes name indexes, more than ${INDEX_DEPTH_MAX} deep`)
    const chosen = choosePlatform(parsed.manifests)
    bytes = await read(chosen)
    if (bytes.length !== chosen.size)
      throw ImagesError.refused('digest', `a manifest has ${bytes.length} bytes, and its index says ${chosen.size}`)
    assertDigest(bytes, chosen.digest, 'a manifest')
  }
}
