// SPDX-License-Identifier: Apache-2.0
import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import { quote } from '@sallyport/core'
import { ImagesError } from '../images-error.ts'
import { MANIFEST_BYTES_MAX } from '../limits.ts'
import { type Descriptor, parseDescriptor } from '../manifest/descriptor.ts'
import { assertDigest, listOf, parseJsonObject } from '../manifest/parse-json.ts'
import { choosePlatform } from '../manifest/platform.ts'
import { readSmall } from './read-small.ts'
import type { SourceSettings } from './registry-source.ts'
import { type ResolvedImage, resolveManifest } from './resolved-image.ts'

const REFERENCE_NAME = 'org.opencontainers.image.ref.name'
const IMAGES_MAX = 1000

/** An OCI image layout (image-spec 1.1, "image-layout"). Untrusted: no link in it is followed. @throws ImagesError */
export async function resolveInLayout(
  directory: string,
  tag: string | null,
  { limits }: Pick<SourceSettings, 'limits'>,
): Promise<ResolvedImage> {
  for (const part of ['', 'blobs', 'blobs/sha256']) assertDirectory(join(directory, part), directory)
  const { imageLayoutVersion } = parseJsonObject(await readSmall(join(directory, 'oci-layout'), MANIFEST_BYTES_MAX), 'oci-layout')
  if (imageLayoutVersion !== '1.0.0') throw ImagesError.refused('malformed', 'its layout is none of version 1.0.0')
  const index = parseJsonObject(await readSmall(join(directory, 'index.json'), MANIFEST_BYTES_MAX), 'index.json')
  const images = listOf(index['manifests'], 'index.json', { max: IMAGES_MAX, reason: 'nested-index' }).map((image) =>
    parseDescriptor(image, 'an image of index.json'),
  )
  const blobPath = (digest: string): string => join(directory, 'blobs', 'sha256', digest.slice('sha256:'.length))
  const read = ({ digest }: Descriptor): Promise<Buffer> => readSmall(blobPath(digest), MANIFEST_BYTES_MAX)
  const named = chooseImage(images, tag, directory)
  const first = await read(named)
  assertDigest(first, named.digest, 'what its layout names')
  const resolved = await resolveManifest(first, read, limits)
  return { ...resolved, place: null, transfer: async () => blobPath }
}

function chooseImage(images: readonly Descriptor[], tag: string | null, directory: string): Descriptor {
  if (tag === null) {
    const [only] = images
    return images.length === 1 && only !== undefined ? only : choosePlatform(images)
  }
  const named = images.filter(({ annotations }) => annotations[REFERENCE_NAME] === tag)
  const [only] = named
  if (named.length === 1 && only !== undefined) return only
  throw new ImagesError(
    'IMAGE_NOT_FOUND',
    `${quote(directory)} has ${named.length === 0 ? 'no image' : 'several images'} named ${quote(tag)}`,
  )
}

function assertDirectory(path: string, layout: string): void {
  if (lstatSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return
  throw new ImagesError('IMAGE_NOT_FOUND', `${quote(layout)} is no OCI image layout`, {
    hint: 'It has oci-layout, index.json and blobs/sha256/',
  })
}
