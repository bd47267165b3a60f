// SPDX-License-Identifier: Apache-2.0
import type { PullOptions, StoredImage } from '@sallyport/images'

/** How the command line says that registries are spoken to. */
export interface OwnRegistries {
  /** `HOST[:PORT][/PATH]`; null: the operator's, if any. */
  readonly defaultRegistry: string | null
  /** PEM by `HOST[:PORT]`. */
  readonly authorities: Readonly<Record<string, string>>
  /** `HOST[:PORT]`. */
  readonly dangerouslyWithoutTls: readonly string[]
}

export interface ImagePull extends PullOptions {
  readonly reference: string
  /** `--config`; null for the default place. */
  readonly operatorFile: string | null
  readonly registries: OwnRegistries
}

/** `sallyport image`, as far as the operator's file has a say. */
export interface ImageCommands {
  /**
   * Brings an image here within the operator's ceiling: from registries, what jobs may ask for, and what the operator's own labels name.
   *
   * @throws AgentError IMAGE_NOT_ALLOWED, IMAGE_AUTHORITY_UNREADABLE, OPERATOR_FILE_REFUSED; AccessError; ImagesError as `ImageStore.pull`
   */
  pull(stateDirectory: string, request: ImagePull): Promise<StoredImage>
}
