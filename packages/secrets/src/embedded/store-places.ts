// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path'

/** What lies in the directory of an embedded store. All of it is readable for its owner only. */
export interface StorePlaces {
  readonly directory: string
  /** The store: an age file. */
  readonly store: string
  /** The same bytes once more, written after `store` was: what `restore` goes back to. */
  readonly lastGood: string
  /** What `restore` has taken out of the way. */
  readonly damaged: string
  /** Which generation was written last. */
  readonly seen: string
  /** An identity as age-keygen writes it; not there where it is kept elsewhere, or under a passphrase. */
  readonly identity: string
  /** The same, in an age file of its own that a passphrase opens. */
  readonly sealedIdentity: string
  readonly lock: string
  /** Held while values are rotated, which takes as long as others take. */
  readonly rotationLock: string
}

/** The store of a state directory. */
export function embeddedStoreDirectory(stateDirectory: string): string {
  return join(stateDirectory, 'secrets')
}

export function storePlaces(directory: string): StorePlaces {
  return {
    directory,
    store: join(directory, 'store.age'),
    lastGood: join(directory, 'store.last-good.age'),
    damaged: join(directory, 'store.damaged.age'),
    seen: join(directory, 'seen.json'),
    identity: join(directory, 'identity.txt'),
    sealedIdentity: join(directory, 'identity.age'),
    lock: join(directory, 'lock'),
    rotationLock: join(directory, 'rotation.lock'),
  }
}
