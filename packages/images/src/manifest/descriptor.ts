// SPDX-License-Identifier: Apache-2.0
import { ImagesError } from '../images-error.ts'
import { DIGEST } from '../reference/reference.ts'
import { isObject } from './parse-json.ts'

/** OCI image-spec 1.1, "Content Descriptors". */
export interface Descriptor {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
  readonly annotations: Readonly<Record<string, unknown>>
  readonly platform: Readonly<Record<string, unknown>>
}

/** @throws ImagesError IMAGE_REFUSED */
export function parseDescriptor(value: unknown, what: string): Descriptor {
  if (!isObject(value)) throw ImagesError.refused('malformed', `${what} is no descriptor`)
  const { mediaType, digest, size, urls, annotations, platform } = value
  if (typeof digest !== 'string' || !DIGEST.test(digest)) throw ImagesError.refused('digest', `the digest of ${what} is none of SHA-256`)
  if (typeof mediaType !== 'string' || !/^[A-Za-z0-9.+/_-]{1,200}$/.test(mediaType))
    throw ImagesError.refused('media-type', `${what} has no media type`)
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) throw ImagesError.refused('malformed', `${what} has no size`)
  // Whoever made the image would choose where this machine asks: never.
  if (urls !== undefined && !(Array.isArray(urls) && urls.length === 0))
    throw ImagesError.refused('foreign-layer', `${what} is to be fetched from somewhere else than its registry`)
  return { mediaType, digest, size, annotations: isObject(annotations) ? annotations : {}, platform: isObject(platform) ? platform : {} }
}
