// SPDX-License-Identifier: Apache-2.0
// What the rest of Sallyport sees of images: where one is stored, what it says of itself, and who may have it.

import type { ImageLimits } from './limits.ts'

/** What an image's configuration says a container of it starts with. Untrusted: whoever made the image chose it; shapes and bounds are checked, meanings are not. */
export interface ImageConfig {
  /** Empty, or `USER[:GROUP]` by name or number; each is in the image's own `/etc/passwd` and `/etc/group`, or a number up to 65,535. */
  readonly user: string
  /** Names without `=` and NUL, values without NUL. */
  readonly env: Readonly<Record<string, string>>
  /** Absolute and normal, and neither below `/proc` nor through a link to there; `/` where the image says nothing. */
  readonly workingDir: string
  /** Either is empty where the image has none; the first word is never empty. */
  readonly entrypoint: readonly string[]
  readonly cmd: readonly string[]
  /** As OCI writes it: `amd64`, `arm64`. That of this machine. */
  readonly architecture: string
}

export interface StoredImage {
  /** As asked. */
  readonly reference: string
  /** `sha256:` and 64 hexadecimal digits: of the manifest, that of this platform. */
  readonly digest: string
  /** Absolute directory: the unpacked tree. Owners as in the image, 0-based, to be idmapped. Set-user-id bits and file capabilities are kept: mount it `nosuid,nodev,ro`. */
  readonly root: string
  readonly config: ImageConfig
  /** Content of all regular files. */
  readonly bytes: number
  /** Entries of the tree, of every type. */
  readonly files: number
  /** ISO 8601. */
  readonly importedAt: string
  /** When all of the tree was last hashed after the import, and was as imported; null: not since. */
  readonly verifiedAt: string | null
}

/** Basic credentials of one registry. They go to that registry, and to nobody else, by a file that only the program which transfers can read. */
export interface RegistryCredentials {
  readonly username: string
  /** A secret. */
  readonly password: string
}

export interface PullOptions {
  /** Of whom the image is for. Null: without any; the machine's own logins are never used. */
  readonly credentials: RegistryCredentials | null
  readonly signal: AbortSignal
  /** One line of text at a time, for a person; printable. */
  readonly onProgress?: (text: string) => void
}

export interface ImageVerification {
  readonly digest: string
  /** Whether every name, type, mode, owner, link, attribute and byte is as imported. */
  readonly isIntact: boolean
  /** What is not, at most a hundred paths with what differs; printable. */
  readonly differences: readonly string[]
  readonly bytes: number
  readonly files: number
  /** ISO 8601. */
  readonly verifiedAt: string
  readonly durationMs: number
}

/** An image in use: it is not removed before this is disposed, or its process (and every process that inherited the descriptor) has ended. */
export interface ImageUse extends AsyncDisposable {
  /** Holds a shared lock (flock). Hand it on to the process that must not outlive the image, for instance the keeper. Closed by disposal. */
  readonly descriptor: number
}

export interface GcOptions {
  /** Also what a reference names, when nobody has used or pulled it for so long. Null: only what nothing names any more. */
  readonly unusedForMs: number | null
  /** Say what would go, and let it be. */
  readonly isDryRun: boolean
  readonly signal: AbortSignal
}

export interface GcResult {
  readonly removed: readonly { readonly digest: string; readonly references: readonly string[]; readonly bytes: number }[]
  readonly kept: readonly { readonly digest: string; readonly reason: 'in-use' | 'referenced' }[]
  /** What pulls left that were killed. */
  readonly leftovers: number
  readonly freedBytes: number
}

/** All methods may be called concurrently, by several processes on one directory. */
export interface ImageStore {
  /**
   * Brings an image here, or finds that it is here. Access is checked at the registry anew for each call with this caller's credentials, also when the image is here
   * already; concurrent pulls of one digest happen once; what a killed pull left is removed by the next.
   *
   * @throws ImagesError IMAGE_REFERENCE_INVALID, IMAGE_NOT_FOUND, IMAGE_ACCESS_DENIED, IMAGE_TRANSFER_FAILED, IMAGE_REFUSED (`details.reason` names why),
   * IMAGE_STORE_FULL, IMAGE_STORE_FAILED, IMAGE_TOOL_MISSING; the signal's reason when it is aborted
   */
  pull(reference: string, options: PullOptions): Promise<StoredImage>
  /**
   * The image with that digest, or null. Says nothing about access: only with a digest that `pull` answered for the same tenant, or that the operator named.
   *
   * @throws ImagesError IMAGE_TAMPERED when its record is not what was written
   */
  find(digest: string): StoredImage | null
  /** Before anything is mounted, and before `check`. @throws ImagesError IMAGE_NOT_FOUND when it has been removed meanwhile. */
  use(image: StoredImage): Promise<ImageUse>
  /** Fast check before a start, while in use: finds what anybody but a determined root has changed since the import. @throws ImagesError IMAGE_TAMPERED */
  check(image: StoredImage): Promise<void>
  /** Hashes the whole tree, and compares it with the hash of the import. What differs is an answer, and stays on record: no `check` passes any more. @throws ImagesError IMAGE_NOT_FOUND, IMAGE_TAMPERED (its record) */
  verify(digest: string, signal: AbortSignal): Promise<ImageVerification>
  /** By reference. */
  list(): Promise<readonly StoredImage[]>
  /** Removes what is unreferenced, never what a running job has open. */
  gc(options: GcOptions): Promise<GcResult>
}

/** What the operator says about registries. */
export interface ImageStoreOptions {
  /** What a reference without a registry means, `HOST[:PORT][/PATH]`. Absent: such a reference is refused, with what it would mean elsewhere. */
  readonly defaultRegistry?: string
  /** By `HOST[:PORT]`: certificates (PEM) that the registry's may be issued by; for all others the system's. */
  readonly authorities?: Readonly<Record<string, string>>
  /** `HOST[:PORT]` of registries that are spoken to without TLS. On the way there, anybody can read credentials and change what a tag means. */
  readonly dangerouslyWithoutTls?: readonly string[]
  /** Other limits than docs/limits.md has. */
  readonly limits?: Partial<ImageLimits>
}
