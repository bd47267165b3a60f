// SPDX-License-Identifier: Apache-2.0
import { existsSync } from 'node:fs'
import { rename } from 'node:fs/promises'
import { lockExclusively, makePrivateDirectory } from '@sallyport/store'
import { SecretsError } from '../secrets-error.ts'
import type { AgeKey } from './age-key.ts'
import { makeIdentity, type Unlock, unlockKey } from './identity.ts'
import { findSecret, type StoreContent, type StoredSecret } from './store-content.ts'
import {
  type Announce,
  generationOf,
  isStillLast,
  missing,
  type OpenContent,
  openFileOf,
  readStore,
  readStoreFile,
  replaceStore,
  seenOf,
} from './store-file.ts'
import { type StorePlaces, storePlaces } from './store-places.ts'

/** Others hold the lock for the time that a change of some milliseconds takes; a disk that is busy makes it longer. */
const LOCK_WAIT_MS = 10_000

export interface StoreOptions {
  /** Milliseconds since 1970. */
  readonly nowMs?: () => number
  readonly lockWaitMs?: number
}

export interface NewStore {
  /** Protects the identity that is made; null: its file is its protection. */
  readonly passphrase: Uint8Array | null
  /** An identity that is there already, and stays where it is; null: one is made and kept beside the store. */
  readonly identity: Extract<Unlock, { kind: 'file' | 'identity' }> | null
  /** Who can open it beside that identity. */
  readonly recipients: readonly string[]
}

export interface StoredCopy {
  readonly generation: number
  readonly writtenAtMs: number
  readonly names: readonly string[]
  /** It is what was written last: nothing is lost with it. */
  readonly isLast: boolean
  /** What was written last, as far as it is remembered. */
  readonly lastGeneration: number
}

/**
 * Makes the store of a directory, with nothing in it.
 *
 * @throws SecretsError SECRET_STORE_EXISTS, SECRET_STORE_LOCKED, SECRET_KEY_INVALID, SECRET_KEY_UNSAFE; StoreError
 */
export async function createEmbeddedStore(
  directory: string,
  { passphrase, identity, recipients }: NewStore,
  options: StoreOptions = {},
  announce: Announce = async () => undefined,
): Promise<EmbeddedStore> {
  const places = storePlaces(directory)
  await makePrivateDirectory(directory)
  await using _lock = await lockStore(places, options)
  if (existsSync(places.store) || existsSync(places.seen))
    throw new SecretsError('SECRET_STORE_EXISTS', `Cannot make a secret store in "${directory}": there is one`, {
      hint: 'Use it as it is, or name another state directory with --state DIR',
    })
  const key = identity === null ? await makeIdentity(places, passphrase) : await unlockKey(places, identity)
  const content = { generation: 1, writtenAtMs: nowMs(options), recipients: [key.recipient, ...recipients], secrets: new Map() }
  await replaceStore(places, key, content, announce)
  return new EmbeddedStore(places, key, options)
}

/**
 * The store of a directory. It is not kept open: each call reads what is there then.
 *
 * @throws SecretsError SECRET_STORE_MISSING, SECRET_STORE_DAMAGED, SECRET_STORE_WRONG_KEY, SECRET_KEY_INVALID, SECRET_KEY_UNSAFE; StoreError
 */
export async function openEmbeddedStore(directory: string, unlock: Unlock, options: StoreOptions = {}): Promise<EmbeddedStore> {
  const places = storePlaces(directory)
  if (!existsSync(places.store) && !existsSync(places.seen)) throw missing(places)
  await makePrivateDirectory(directory)
  const store = new EmbeddedStore(places, await unlockKey(places, unlock), options)
  await store.look(() => undefined)
  return store
}

/** Calls may overlap, also those of several processes. */
export class EmbeddedStore {
  readonly #places: StorePlaces
  readonly #key: AgeKey
  readonly #options: StoreOptions
  /** As it was last looked at, closed. */
  #kept: OpenContent | null = null

  constructor(places: StorePlaces, key: AgeKey, options: StoreOptions) {
    this.#places = places
    this.#key = key
    this.#options = options
  }

  /** What opens it, as others can encrypt for it. */
  get recipient(): string {
    return this.#key.recipient
  }

  nowMs(): number {
    return nowMs(this.#options)
  }

  /** Values are wiped when `look` has answered: what it keeps of them it copies. @throws SecretsError */
  async look<T>(look: (content: StoreContent) => T): Promise<T> {
    using open = await this.#readSettled()
    this.#keep(open)
    return look(open.content)
  }

  /**
   * The same of one secret. While the store stays what it was when it was last looked at, only what holds this secret is decrypted: whether it did
   * is told by its digest, each time.
   *
   * @throws SecretsError also SECRET_NOT_FOUND
   */
  async lookAt<T>(name: string, look: (secret: StoredSecret) => T): Promise<T> {
    const kept = this.#kept
    if (kept !== null && (await isStillLast(this.#places, kept.digest)) && kept === this.#kept) return kept.lookAt(name, look)
    return this.look((content) => look(findSecret(content, name)))
  }

  /**
   * Changes it, alone. `change` answers with the new content, or null where nothing is to be changed; its generation and time are set here.
   *
   * @throws SecretsError also SECRET_STORE_LOCKED; StoreError. Then nothing was changed, or as far as a message says so.
   */
  async change(change: (content: StoreContent) => StoreContent | null, announce: Announce = async () => undefined): Promise<void> {
    await using _lock = await lockStore(this.#places, this.#options)
    using open = await readStore(this.#places, this.#key)
    const changed = change(open.content)
    if (changed === null) return
    const generation = open.content.generation + 1
    await replaceStore(this.#places, this.#key, { ...changed, generation, writtenAtMs: this.nowMs() }, announce)
  }

  /** Held by whoever rotates, beside everything else. @throws SecretsError SECRET_STORE_LOCKED */
  async lockRotation(): Promise<AsyncDisposable> {
    const lock = await lockExclusively(this.#places.rotationLock, 0)
    if (lock !== null) return lock
    throw new SecretsError('SECRET_STORE_LOCKED', 'Cannot rotate: another rotation is under way', { hint: 'Wait until it has ended' })
  }

  #keep(open: OpenContent): void {
    this.#kept?.forget()
    this.#kept = open
  }

  /** One who writes at the moment is waited for before a refusal counts. */
  async #readSettled(): Promise<OpenContent> {
    try {
      return await readStore(this.#places, this.#key)
    } catch (error) {
      if (!(error instanceof SecretsError) || error.code !== 'SECRET_STORE_DAMAGED') throw error
      await using _lock = await lockStore(this.#places, this.#options)
      return await readStore(this.#places, this.#key)
    }
  }
}

/**
 * A copy that `restoreStore` would go back to; `path` null: the one that every change leaves.
 *
 * @throws SecretsError SECRET_STORE_MISSING, SECRET_STORE_DAMAGED, SECRET_STORE_WRONG_KEY, and those of {@link openEmbeddedStore}
 */
export async function describeCopy(directory: string, unlock: Unlock, path: string | null): Promise<StoredCopy> {
  const places = storePlaces(directory)
  using copy = await openCopy(places, await unlockKey(places, unlock), path ?? places.lastGood)
  const seen = await seenOf(places)
  const { generation, writtenAtMs, secrets } = copy.content
  const names = [...secrets.values()].flatMap(({ name, removedAtMs }) => (removedAtMs === null ? [name] : []))
  const isLast = copy.digest === (seen?.next ?? seen?.current)?.digest
  return { generation, writtenAtMs, names, isLast, lastGeneration: generationOf(seen) }
}

/** Puts that copy in the place of whatever is there, which is moved aside; its generation becomes the highest of all. */
export async function restoreStore(
  directory: string,
  unlock: Unlock,
  path: string | null,
  options: StoreOptions = {},
  announce: Announce = async () => undefined,
): Promise<number> {
  const places = storePlaces(directory)
  const key = await unlockKey(places, unlock)
  await using _lock = await lockStore(places, options)
  using copy = await openCopy(places, key, path ?? places.lastGood)
  const generation = Math.max(generationOf(await seenOf(places)), copy.content.generation) + 1
  await replaceStore(places, key, { ...copy.content, generation, writtenAtMs: nowMs(options) }, async (written) => {
    await announce(written)
    if (existsSync(places.store)) await rename(places.store, places.damaged)
  })
  return generation
}

async function openCopy({ directory }: StorePlaces, key: AgeKey, path: string): Promise<OpenContent> {
  const file = await readStoreFile(path)
  if (file === null)
    throw new SecretsError('SECRET_STORE_MISSING', `Cannot go back to "${path}": there is no such file`, {
      hint: `Name a copy of "${directory}/store.age", from a backup`,
    })
  const copy = await openFileOf(file, key).catch((cause: unknown) => {
    throw new SecretsError('SECRET_STORE_DAMAGED', `Cannot go back to "${path}": it is not a whole store either`, {
      cause,
      hint: `Name another copy of "${directory}/store.age", from a backup`,
    })
  })
  if (copy !== null) return copy
  throw new SecretsError(
    'SECRET_STORE_WRONG_KEY',
    `Cannot go back to "${path}": it was encrypted for another identity, or its head was edited`,
    {
      hint: 'Name the identity that it was made with: --identity FILE, --identity-fd N',
    },
  )
}

async function lockStore({ lock }: StorePlaces, { lockWaitMs = LOCK_WAIT_MS }: StoreOptions): Promise<AsyncDisposable> {
  const held = await lockExclusively(lock, lockWaitMs)
  if (held !== null) return held
  throw new SecretsError('SECRET_STORE_LOCKED', `Cannot write the secret store: somebody else has held "${lock}" for ${lockWaitMs} ms`, {
    hint: 'Wait until the other command has ended, and try it again',
  })
}

function nowMs({ nowMs: now = Date.now }: StoreOptions): number {
  return now()
}
