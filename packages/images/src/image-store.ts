// SPDX-License-Identifier: Apache-2.0
import { constants, statSync } from 'node:fs'
import { chown, mkdir, open, readdir, statfs } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { formatSize, messageOf, printable, quote } from '@sallyport/core'
import { tryShareLock } from '@sallyport/linux'
import { makePrivateDirectory, StoreError } from '@sallyport/store'
import { collectGarbage } from './collect-garbage.ts'
import type {
  GcOptions,
  GcResult,
  ImageStore,
  ImageStoreOptions,
  ImageUse,
  ImageVerification,
  PullOptions,
  StoredImage,
} from './contract.ts'
import { ImagesError } from './images-error.ts'
import { importImage, openBlobs } from './import-image.ts'
import { assertLayerDigest } from './layers/layer-source.ts'
import { DEFAULT_LIMITS, type ImageLimits } from './limits.ts'
import { DIGEST, formatReference, type ImageReference, parseReference } from './reference/reference.ts'
import { resolveLocal } from './source/archive-source.ts'
import { resolveInRegistry } from './source/registry-source.ts'
import type { ResolvedImage } from './source/resolved-image.ts'
import { assertUnreachable, findChange } from './store/check-tree.ts'
import { type OpenedImage, openImage, tampered, writeState } from './store/image-directory.ts'
import { digestOfName, ENTRIES, nameOf, type StoreDirectories, storeDirectories, USE } from './store/image-files.ts'
import { lockName } from './store/locks.ts'
import type { ImageState } from './store/record.ts'
import { Staging, sweepStaging } from './store/staging.ts'
import { TRANSFER_UID } from './tools/jail.spawn.ts'
import { verifyImage } from './verify-image.ts'

const STATE_LOCK = 'state'

/** @param directory Made when it is needed, with mode 0700. */
export function openImageStore(directory: string, options: ImageStoreOptions = {}): ImageStore {
  return new DirectoryImageStore(resolve(directory), options)
}

interface PullWork {
  readonly name: string
  readonly resolved: ResolvedImage
  readonly staging: string
  readonly pull: PullOptions
}

class DirectoryImageStore implements ImageStore {
  readonly #directories: StoreDirectories
  readonly #options: ImageStoreOptions
  readonly #limits: ImageLimits

  constructor(directory: string, options: ImageStoreOptions) {
    this.#directories = storeDirectories(directory)
    this.#options = options
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits }
  }

  async pull(reference: string, pull: PullOptions): Promise<StoredImage> {
    const parsed = parseReference(reference, this.#options.defaultRegistry)
    assertRoot()
    try {
      await this.#prepare()
      await sweepStaging(this.#directories.staging)
      await using staging = await Staging.create(this.#directories.staging)
      const resolved = await this.#resolve(parsed, staging.directory, pull)
      const stored = await this.#bring({ name: canonicalName(parsed), resolved, staging: staging.directory, pull })
      return { ...stored, reference }
    } catch (error) {
      pull.signal.throwIfAborted()
      throw storeErrorOf(error, `Cannot pull ${quote(reference)}`)
    }
  }

  find(digest: string): StoredImage | null {
    return this.#open(digest)?.image ?? null
  }

  async use({ digest }: StoredImage): Promise<ImageUse> {
    const path = join(this.#directoryOf(digest), USE)
    const handle = await open(path, constants.O_RDWR | constants.O_NOFOLLOW).catch(() => null)
    const isHeld =
      handle !== null && tryShareLock(handle.fd) && statSync(path, { throwIfNoEntry: false })?.ino === (await handle.stat()).ino
    if (!isHeld) {
      await handle?.close()
      throw new ImagesError('IMAGE_NOT_FOUND', `The image ${digest} is not in the store any more`, { hint: 'Pull it again' })
    }
    const now = new Date()
    await handle.utimes(now, now)
    return { descriptor: handle.fd, [Symbol.asyncDispose]: () => handle.close() }
  }

  async check({ digest, root }: StoredImage): Promise<void> {
    const opened = this.#open(digest)
    if (opened === null)
      throw new ImagesError('IMAGE_NOT_FOUND', `The image ${digest} is not in the store any more`, { hint: 'Pull it again' })
    assertUnreachable(this.#directories.root)
    assertUnreachable(this.#directories.images)
    assertUnreachable(opened.directory)
    const [damage] = opened.state.damage ?? []
    if (damage !== undefined) throw tampered(digest, damage)
    const change = opened.image.root === root ? findChange(root, join(opened.directory, ENTRIES)) : 'it is another directory'
    if (change !== null) throw tampered(digest, change)
  }

  async verify(digest: string, signal: AbortSignal): Promise<ImageVerification> {
    const opened = this.#open(digest)
    if (opened === null)
      throw new ImagesError('IMAGE_NOT_FOUND', `There is no image ${quote(digest)} in the store`, { hint: 'sallyport image ls lists them' })
    await using _use = await this.use(opened.image)
    return await verifyImage(opened, { signal, change: (next) => this.#changeState(digest, next, signal) })
  }

  async list(): Promise<readonly StoredImage[]> {
    const rows: StoredImage[] = []
    for (const digest of await this.#digests()) {
      const opened = this.#open(digest)
      if (opened === null) continue
      const { references } = opened.state
      rows.push(...(references.length === 0 ? [opened.image] : references.map((reference) => ({ ...opened.image, reference }))))
    }
    return rows.toSorted((a, b) => (a.reference < b.reference ? -1 : a.reference > b.reference ? 1 : 0))
  }

  async gc(options: GcOptions): Promise<GcResult> {
    try {
      await this.#prepare()
      const leftovers = await sweepStaging(this.#directories.staging, options.isDryRun)
      return { ...(await collectGarbage(this.#directories, await this.#digests(), this.#limits, options)), leftovers }
    } catch (error) {
      options.signal.throwIfAborted()
      throw storeErrorOf(error, 'Cannot remove images')
    }
  }

  async #prepare(): Promise<void> {
    const { root, images, staging, locks } = this.#directories
    for (const directory of [root, images, staging, locks]) await makePrivateDirectory(directory)
    assertUnreachable(root)
  }

  async #resolve(parsed: ImageReference, staging: string, pull: PullOptions): Promise<ResolvedImage> {
    const workDirectory = join(staging, 'transfer')
    await mkdir(join(workDirectory, 'tmp'), { recursive: true, mode: 0o700 })
    for (const directory of [join(workDirectory, 'tmp'), workDirectory]) await chown(directory, TRANSFER_UID, TRANSFER_UID)
    const settings = { options: this.#options, limits: this.#limits, workDirectory, pull }
    return parsed.kind === 'registry' ? resolveInRegistry(parsed, settings) : resolveLocal(parsed, settings)
  }

  async #bring(work: PullWork): Promise<StoredImage> {
    const { resolved, pull } = work
    const { digest } = resolved
    const onWait = (): void => pull.onProgress?.('another pull of it is at work')
    const lock = await lockName(this.#directories.locks, nameOf(digest), pull.signal, onWait)
    await using _lock = lock
    const there = this.#open(digest)
    if (there === null) await this.#import(work)
    else await this.#prove(there, work)
    await this.#name(work)
    const opened = this.#open(digest)
    if (opened === null) throw new ImagesError('IMAGE_STORE_FAILED', `The image ${digest} has gone while it was pulled`)
    await using _use = await this.use(opened.image)
    await this.check(opened.image)
    return opened.image
  }

  async #import({ resolved, staging, pull, name }: PullWork): Promise<void> {
    const { digest, manifest, place } = resolved
    await this.#assertSpace(manifest.layers.reduce((sum, { size }) => sum + size, 0))
    const blobs = await openBlobs(resolved, await resolved.transfer())
    const workDirectory = join(staging, 'unpack')
    await mkdir(workDirectory, { mode: 0o700 })
    await importImage(resolved, blobs, {
      limits: this.#limits,
      workDirectory,
      target: this.#directoryOf(digest),
      state: { version: 1, references: [name], sources: place === null ? [] : [place], verifiedAt: null, damage: null },
      signal: pull.signal,
      say: (text) => pull.onProgress?.(text),
    })
  }

  /**
   * It is here already. Who may read the manifest in a repository that it came from may have it. Elsewhere, a manifest proves nothing: whoever knows its bytes can put them into a registry of
   * their own without the layers. There, and on this machine, whoever asks has to have every layer.
   */
  async #prove(there: OpenedImage, { resolved, pull }: PullWork): Promise<void> {
    const { place } = resolved
    if (place !== null && there.state.sources.includes(place)) return
    const blobs = await openBlobs(resolved, await resolved.transfer())
    for (const layer of blobs.layers) await assertLayerDigest(layer, pull.signal)
  }

  /** A name is one image's at a time, as a tag is. */
  async #name({ name, resolved, pull }: PullWork): Promise<void> {
    const { digest, place } = resolved
    await this.#withStates(pull.signal, async () => {
      for (const other of await this.#digests()) {
        const opened = this.#openOrNull(other)
        if (opened === null) continue
        const { references, sources } = opened.state
        const next: ImageState =
          other === digest
            ? { ...opened.state, references: added(references, name), sources: place === null ? sources : added(sources, place) }
            : { ...opened.state, references: references.filter((reference) => reference !== name) }
        if (JSON.stringify(next) !== JSON.stringify(opened.state)) await writeState(opened, next)
      }
    })
  }

  async #changeState(digest: string, change: (state: ImageState) => ImageState, signal: AbortSignal): Promise<void> {
    await this.#withStates(signal, async () => {
      const opened = this.#open(digest)
      if (opened !== null) await writeState(opened, change(opened.state))
    })
  }

  async #withStates(signal: AbortSignal, change: () => Promise<void>): Promise<void> {
    const lock = await lockName(this.#directories.locks, STATE_LOCK, signal)
    await using _lock = lock
    await change()
  }

  async #assertSpace(neededBytes: number): Promise<void> {
    const { bavail, bsize } = await statfs(this.#directories.root)
    if (bavail * bsize > neededBytes) return
    const message = `The layers have ${formatSize(neededBytes)}, and ${formatSize(bavail * bsize)} are free in "${this.#directories.root}"`
    throw new ImagesError('IMAGE_STORE_FULL', message, { hint: 'Free some space: sallyport image gc' })
  }

  #open(digest: string): OpenedImage | null {
    return DIGEST.test(digest) ? openImage(this.#directoryOf(digest), digest, this.#limits) : null
  }

  /** What cannot be opened says so to whoever wants it; here it is in nobody's way. */
  #openOrNull(digest: string): OpenedImage | null {
    try {
      return this.#open(digest)
    } catch (error) {
      if (error instanceof ImagesError) return null
      throw error
    }
  }

  async #digests(): Promise<readonly string[]> {
    const names = await readdir(this.#directories.images).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [] // Nothing has been pulled yet.
      throw storeErrorOf(error, 'Cannot list the images')
    })
    return names.map(digestOfName).filter((digest) => digest !== null)
  }

  #directoryOf(digest: string): string {
    return join(this.#directories.images, nameOf(digest))
  }
}

function added(list: readonly string[], entry: string): readonly string[] {
  return list.includes(entry) ? list : [...list, entry]
}

function canonicalName(parsed: ImageReference): string {
  if (parsed.kind === 'registry') return formatReference(parsed)
  return `${parsed.kind}:${parsed.path}${parsed.tag === null ? '' : `:${parsed.tag}`}`
}

function assertRoot(): void {
  if (process.geteuid?.() === 0) return
  throw new ImagesError('IMAGE_NEEDS_ROOT', 'Cannot pull an image: only root can give its files the owners that they have in it', {
    hint: 'Run it with sudo',
  })
}

/** What the system said, as an error of ours. */
function storeErrorOf(error: unknown, action: string): unknown {
  if (error instanceof ImagesError || error instanceof TypeError) return error
  const code = error instanceof StoreError ? error.code : (error as NodeJS.ErrnoException).code
  const message = `${action}: ${printable(messageOf(error))}`
  if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'STORE_FULL')
    return new ImagesError('IMAGE_STORE_FULL', message, { cause: error, hint: 'Free some space: sallyport image gc' })
  if (code === 'STORE_UNSAFE') return new ImagesError('IMAGE_STORE_UNSAFE', message, { cause: error })
  return new ImagesError('IMAGE_STORE_FAILED', message, { cause: error })
}
