// SPDX-License-Identifier: Apache-2.0
import type { KeyObject } from 'node:crypto'
import { statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { KeyFiles } from '@sallyport/key-process'
import { lockExclusively, makePrivateDirectory, syncDirectory } from '@sallyport/store'
import { ALGORITHMS } from '../contract.ts'
import { IdentityError } from '../identity-error.ts'
import { parseIssuer } from '../issuer-url.ts'
import { beginRing, heldKeys, type KeyRing, rotateRing } from '../keys/key-ring.ts'
import { type MadeKey, makeKey } from '../keys/make-key.ts'
import { readRing, ringPath, writeRing } from '../keys/ring-file.ts'

/** Another process makes or reads keys: two RSA keys can take seconds on a machine that has much to do. */
const LOCK_WAIT_MS = 20_000

export interface HeldKeys {
  readonly ring: KeyRing
  /** By kid: those that sign or will sign. */
  readonly privateKeys: ReadonlyMap<string, KeyObject>
}

/**
 * The keys of a directory. Any number of processes may use it at a time: what changes it holds the lock, and private keys are written
 * before the ring that names them, and destroyed after the one that names them no more.
 */
export class KeyStore {
  readonly #directory: string
  readonly #files: KeyFiles

  private constructor(directory: string) {
    this.#directory = directory
    this.#files = new KeyFiles(directory, damaged)
  }

  /** Makes the first keys where there are none; `issuer` may be null where there are some. */
  static async open(directory: string, issuer: string | null, nowS: number): Promise<KeyStore> {
    await makePrivateDirectory(directory)
    const store = new KeyStore(directory)
    const wanted = issuer === null ? null : parseIssuer(issuer)
    await store.#locked(async () => {
      const ring = (await readRing(directory)) ?? (await store.#begin(wanted, nowS))
      if (wanted !== null && ring.issuer !== wanted)
        throw new IdentityError(
          'IDENTITY_ISSUER',
          `Cannot issue tokens as "${wanted}": the keys in "${directory}" are those of "${ring.issuer}"`,
          {
            hint: 'Name that issuer, or another directory with --state DIR',
          },
        )
      await store.#files.keepOnly(namesOf(ring)) // A crash may have come before it.
    })
    return store
  }

  /** What has to change before `load` gives something else. */
  version(): string {
    // At once: a turn through the thread pool costs more than the call, before each token
    const { ino, mtimeNs, size } = statSync(ringPath(this.#directory), { bigint: true })
    return `${ino} ${mtimeNs} ${size}`
  }

  load(): Promise<HeldKeys> {
    return this.#locked(() => this.#read())
  }

  /** @throws IdentityError IDENTITY_TOO_EARLY */
  rotate(nowS: number): Promise<KeyRing> {
    return this.#locked(async () => {
      const { ring } = await this.#read()
      rotateRing(ring, [], nowS) // It may be too early: before keys are made for it.
      const next = await Promise.all(ALGORITHMS.map(makeKey))
      return this.#replace(rotateRing(ring, next.map(publicHalf), nowS), next)
    })
  }

  /** No key of before is worth anything any more: neither for signing nor, as soon as verifiers ask again, for verifying. */
  replaceAll(nowS: number): Promise<KeyRing> {
    return this.#locked(async () => {
      const ring = await readRing(this.#directory)
      if (ring === null) throw damaged(`Cannot use "${ringPath(this.#directory)}": it is gone`)
      return this.#make(ring.issuer, nowS)
    })
  }

  async #begin(issuer: string | null, nowS: number): Promise<KeyRing> {
    if (issuer === null)
      throw new IdentityError(
        'IDENTITY_ISSUER',
        `There are no keys in "${this.#directory}" yet, and nobody said for which issuer to make some`,
        {
          hint: 'Name the URL under which verifiers will find the keys: --issuer https://ci.example.test',
        },
      )
    await syncDirectory(dirname(resolve(this.#directory)))
    return this.#make(issuer, nowS)
  }

  async #make(issuer: string, nowS: number): Promise<KeyRing> {
    const pairs = await Promise.all(
      ALGORITHMS.map(async (algorithm) => ({ current: await makeKey(algorithm), next: await makeKey(algorithm) })),
    )
    const halves = pairs.map(({ current, next }) => ({ current: publicHalf(current), next: publicHalf(next) }))
    const made = pairs.flatMap(({ current, next }) => [current, next])
    return this.#replace(beginRing(issuer, halves, nowS), made)
  }

  async #replace(ring: KeyRing, made: readonly MadeKey[]): Promise<KeyRing> {
    for (const { kid, privateKey } of made) await this.#files.write(kid, privateKey)
    await writeRing(this.#directory, ring)
    await this.#files.keepOnly(namesOf(ring))
    return ring
  }

  async #read(): Promise<HeldKeys> {
    const ring = await readRing(this.#directory)
    if (ring === null) throw damaged(`Cannot use "${ringPath(this.#directory)}": it is gone`)
    const privateKeys = new Map<string, KeyObject>()
    for (const { kid } of heldKeys(ring)) {
      const key = await this.#files.read(kid)
      if (key === null) throw damaged(`Cannot use the keys in "${this.#directory}": the private half of ${kid} is not there`)
      privateKeys.set(kid, key)
    }
    return { ring, privateKeys }
  }

  async #locked<T>(work: () => Promise<T>): Promise<T> {
    const lock = await lockExclusively(join(this.#directory, 'lock'), LOCK_WAIT_MS)
    if (lock === null)
      throw new IdentityError(
        'IDENTITY_LOCKED',
        `Cannot use the keys in "${this.#directory}": another process has held them for too long`,
        {
          hint: 'Wait until it is done, or end it',
        },
      )
    await using _closing = lock
    return await work()
  }
}

/** Of the key files that a ring needs. */
function namesOf(ring: KeyRing): readonly string[] {
  return heldKeys(ring).map(({ kid }) => kid)
}

function publicHalf({ kid, algorithm, publicKey }: MadeKey): Pick<MadeKey, 'kid' | 'algorithm' | 'publicKey'> {
  return { kid, algorithm, publicKey }
}

function damaged(message: string): IdentityError {
  return new IdentityError('IDENTITY_DAMAGED', message, {
    hint: 'Restore the directory from a backup, or remove it and let verifiers know of new keys',
  })
}
