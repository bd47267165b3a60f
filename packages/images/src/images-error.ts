// SPDX-License-Identifier: Apache-2.0
import { SallyportError } from '@sallyport/core'

export type ImagesErrorCode =
  /** It is no reference, or one that leaves open what is meant. */
  | 'IMAGE_REFERENCE_INVALID'
  /** The registry, the archive or the store has none by that name. */
  | 'IMAGE_NOT_FOUND'
  /** The registry does not give it to this caller. */
  | 'IMAGE_ACCESS_DENIED'
  /** The transfer broke; another attempt may work. */
  | 'IMAGE_TRANSFER_FAILED'
  /** What arrived is nothing that jobs may run on; `details.reason` is a RefusalReason. */
  | 'IMAGE_REFUSED'
  /** What is stored is not what was imported. */
  | 'IMAGE_TAMPERED'
  /** An image could not be made of packages. */
  | 'IMAGE_BUILD_FAILED'
  | 'IMAGE_STORE_FULL'
  | 'IMAGE_STORE_FAILED'
  /** The directory is one that others can change. */
  | 'IMAGE_STORE_UNSAFE'
  /** A program that images need is not installed. */
  | 'IMAGE_TOOL_MISSING'
  /** Owners of files can be kept by root alone. */
  | 'IMAGE_NEEDS_ROOT'

/** Why an image is refused: for scripts and tests. docs/images.md explains each. */
export type RefusalReason =
  | 'architecture'
  | 'device'
  | 'digest'
  | 'duplicate'
  | 'encrypted-layer'
  | 'entries'
  | 'entrypoint'
  | 'environment'
  | 'estargz'
  | 'foreign-layer'
  | 'hardlink'
  | 'layer-bytes'
  | 'layers'
  | 'link-target'
  | 'long-names'
  | 'malformed'
  | 'manifest-bytes'
  | 'media-type'
  | 'name'
  | 'nested-index'
  | 'owner'
  | 'path'
  | 'sparse'
  | 'through-link'
  | 'unpacked-bytes'
  | 'user'
  | 'whiteout'
  | 'working-directory'

export class ImagesError extends SallyportError<ImagesErrorCode> {
  override readonly name = 'ImagesError'

  static refused(reason: RefusalReason, message: string): ImagesError {
    return new ImagesError('IMAGE_REFUSED', `The image is refused: ${message}`, {
      details: { reason },
      hint: `docs/images.md says why, under "${reason}"`,
    })
  }
}
