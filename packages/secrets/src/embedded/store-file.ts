// SPDX-License-Identifier: Apache-2.0
// The file of a store on its disk: what may be read from it, and how another takes its place.
import { rm } from 'node:fs/promises'
import { readWhole, StoreError, writeFileDurably } from '@sallyport/store'
import { SecretsError } from '../secrets-error.ts'
import { type AgeKey, sealFor } from './age-key.ts'
import type { AgePayload } from './age-payload.ts'
import { digestOf, readSeen, type SeenStore, type WrittenStore, writeSeen } from './seen.ts'
import { CONTENT_BYTES_MAX, findSecret, type StoreContent, type StoredSecret } from './store-content.ts'
import { decodeContent, encodeContent } from './store-format.ts'
import type { StorePlaces } from './store-places.ts'

/** With age's header and a tag for every 64 KiB. */
const FILE_BYTES_MAX = CONTENT_BYTES_MAX + 2 ** 16

/** Called when everything is ready, before anything takes place; what it throws keeps it from taking place. */
export type Announce = (written: WrittenStore) => Promise<void>

/** A store in memory. Closed, it knows where its values are, and has none. */
export class OpenContent implements Disposable {
  readonly content: StoreContent
  readonly digest: string
  readonly #payload: AgePayload
  /** What `content` has views of. */
  readonly #plaintext: Buffer

  /** @throws TypeError, SyntaxError, Error for what is no store */
  constructor(payload: AgePayload, digest: string) {
    this.#payload = payload
    this.digest = digest
    this.#plaintext = Buffer.alloc(payload.bytes)
    try {
      payload.open(this.#plaintext)
      this.content = decodeContent(this.#plaintext)
    } catch (error) {
      this.forget()
      throw error
    }
  }

  /** Wipes the values. */
  [Symbol.dispose](): void {
    this.#plaintext.fill(0)
  }

  /**
   * Of one that is closed: opens no more than the chunks that hold this secret's values, while `look` answers.
   * @throws SecretsError SECRET_NOT_FOUND
   */
  lookAt<T>(name: string, look: (secret: StoredSecret) => T): T {
    const secret = findSecret(this.content, name)
    const values = valuesOf(secret)
    const starts = values.map(({ byteOffset }) => byteOffset - this.#plaintext.byteOffset)
    const ends = values.map(({ byteOffset, byteLength }) => byteOffset + byteLength - this.#plaintext.byteOffset)
    const [from, to] = this.#payload.open(this.#plaintext, Math.min(...starts), Math.max(...ends))
    try {
      return look(secret)
    } finally {
      this.#plaintext.fill(0, from, to)
    }
  }

  /** It cannot be looked at any more. */
  forget(): void {
    this.#plaintext.fill(0)
    this.#payload.wipeKey()
  }
}

function valuesOf({ versions, rotation }: StoredSecret): readonly Uint8Array[] {
  return [...versions.map(({ fields }) => fields), ...(rotation?.candidate ? [rotation.candidate] : [])].flatMap((fields) => [
    ...fields.values(),
  ])
}

/** Whether a store that was read is still the one that was written last, byte by byte: all that `readStore` asks of it. */
export async function isStillLast(places: StorePlaces, digest: string): Promise<boolean> {
  const file = await readStoreFile(places.store)
  const seen = await seenOf(places)
  return file !== null && digestOf(file) === digest && (digest === seen?.current?.digest || digest === seen?.next?.digest)
}

/**
 * The store that was written last. Another process may write meanwhile, so that a first refusal is not the last word where its lock is not held.
 *
 * @throws SecretsError SECRET_STORE_MISSING, SECRET_STORE_DAMAGED, SECRET_STORE_WRONG_KEY
 */
export async function readStore(places: StorePlaces, key: AgeKey): Promise<OpenContent> {
  const file = await readStoreFile(places.store)
  const seen = await seenOf(places)
  if (file === null) throw seen === null ? missing(places) : damaged(places, 'missing', 'it is gone')
  if (seen === null) throw damaged(places, 'unremembered', `"${places.seen}" does not say what was written last`)
  const digest = digestOf(file)
  const isLast = digest === seen.current?.digest || digest === seen.next?.digest
  const open = await openFileOf(file, key).catch((cause: unknown) => {
    throw damaged(places, 'unreadable', `it is not a whole store (${reasonOf(cause)})`, cause)
  })
  if (open === null) throw isLast ? wrongKey(places) : damaged(places, 'unreadable', 'its head was edited, or it was encrypted for others')
  if (isLast) return open
  open[Symbol.dispose]()
  throw notLast(places, open.content.generation, generationOf(seen))
}

/** Any file that the key opens, whenever it was written; null where the key does not. @throws Error for what is no store */
export async function openFileOf(file: Uint8Array, key: AgeKey): Promise<OpenContent | null> {
  const payload = await key.open(file)
  return payload === null ? null : new OpenContent(payload, digestOf(file))
}

/** Null where there is none; what is too large is cut to something that is no age file. */
export async function readStoreFile(path: string): Promise<Buffer | null> {
  try {
    return await readWhole(path, FILE_BYTES_MAX)
  } catch (error) {
    if (error instanceof StoreError && error.code === 'STORE_CORRUPT') return Buffer.alloc(0)
    throw error
  }
}

/** Null where it is not there, or says nothing. */
export async function seenOf({ seen }: StorePlaces): Promise<SeenStore | null> {
  try {
    return await readSeen(seen)
  } catch (error) {
    if (error instanceof TypeError || error instanceof SyntaxError) return null
    if (error instanceof StoreError && error.code === 'STORE_CORRUPT') return null
    throw error
  }
}

/** The highest that was ever written, as far as it is remembered. */
export function generationOf(seen: SeenStore | null): number {
  return Math.max(seen?.current?.generation ?? 0, seen?.next?.generation ?? 0)
}

/**
 * Puts a content in the place of the one before, in an order in which a crash leaves the old or the new one, and a store that `readStore` takes: it is
 * remembered as the next one, takes its place, and is remembered as the current one; the copy for `restore` comes last. The lock is held.
 *
 * @throws SecretsError SECRET_TOO_LARGE, SECRET_KEY_INVALID; StoreError
 */
export async function replaceStore(places: StorePlaces, key: AgeKey, content: StoreContent, announce: Announce): Promise<WrittenStore> {
  const file = await sealContent(content, key)
  const written = { generation: content.generation, digest: digestOf(file) }
  const current = (await seenOf(places))?.current ?? null
  await announce(written)
  try {
    await writeSeen(places.seen, { current, next: written })
    await writeFileDurably(places.store, file, `${places.store}.new`)
    await writeSeen(places.seen, { current: written, next: null })
    await writeFileDurably(places.lastGood, file, `${places.lastGood}.new`)
  } catch (error) {
    // What could not be written to its end takes space that the next attempt needs
    for (const path of [places.store, places.lastGood]) await rm(`${path}.new`, { force: true })
    throw StoreError.from(`Cannot write generation ${content.generation} of the secret store in "${places.directory}"`, error)
  }
  return written
}

/** Nothing takes the place of a store that has not been read back. */
async function sealContent(content: StoreContent, key: AgeKey): Promise<Uint8Array> {
  const plaintext = encodeWithin(content)
  try {
    const file = await sealFor(content.recipients, plaintext)
    using again = await openFileOf(file, key)
    if (again === null)
      throw new SecretsError('SECRET_KEY_INVALID', 'Cannot write a store that this identity does not open again: it is no recipient of it')
    return file
  } finally {
    plaintext.fill(0)
  }
}

function encodeWithin(content: StoreContent): Buffer {
  try {
    return encodeContent(content)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new SecretsError('SECRET_TOO_LARGE', `Cannot store that much in the embedded store: ${error.message}`, {
      hint: 'Remove what nobody uses, with its history: sallyport secrets ls, sallyport secrets rm NAME',
    })
  }
}

export function missing({ directory }: StorePlaces): SecretsError {
  return new SecretsError('SECRET_STORE_MISSING', `Cannot find a secret store in "${directory}"`, {
    hint: 'Make one: sallyport secrets init; or name the state directory that has one: --state DIR',
  })
}

type DamageReason = 'missing' | 'unremembered' | 'unreadable' | 'rolled-back' | 'replaced'

function damaged({ store }: StorePlaces, reason: DamageReason, what: string, cause?: unknown): SecretsError {
  return new SecretsError('SECRET_STORE_DAMAGED', `Cannot use the secret store "${store}": ${what}. Nothing was changed`, {
    cause,
    hint: 'Look who could write there; sallyport secrets restore shows the last good version, and goes back to it with --yes',
    details: { reason },
  })
}

function notLast(places: StorePlaces, generation: number, last: number): SecretsError {
  return generation < last
    ? damaged(places, 'rolled-back', `it is generation ${generation}, and ${last} was written already: somebody has put an older one back`)
    : damaged(
        places,
        'replaced',
        `it is not the generation ${last} that was written last: somebody else has written generation ${generation}`,
      )
}

function wrongKey({ store }: StorePlaces): SecretsError {
  return new SecretsError('SECRET_STORE_WRONG_KEY', `Cannot open the secret store "${store}": it was encrypted for another identity`, {
    hint: 'Name the identity that it was made with: --identity FILE, --identity-fd N',
  })
}

/** Of errors of ours and of the library: none of them quotes what it read, but those of JSON. */
function reasonOf(cause: unknown): string {
  return cause instanceof Error && !(cause instanceof SyntaxError) ? cause.message : 'its index is no JSON'
}
