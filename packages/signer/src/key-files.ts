// SPDX-License-Identifier: Apache-2.0
import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { readWhole, writeFileDurably } from '@sallyport/store'
import { SignerError } from './signer-error.ts'

const KEY_BYTES_MAX = 4096

/** The private keys of a signer, `key-1.pem` and on: one for each epoch, of which only the last one is kept. */
export class KeyFiles {
  readonly #directory: string

  constructor(directory: string) {
    this.#directory = directory
  }

  generate(): KeyObject {
    return generateKeyPairSync('ed25519').privateKey
  }

  async write(epoch: number, key: KeyObject): Promise<void> {
    const path = this.#path(epoch)
    await writeFileDurably(path, key.export({ type: 'pkcs8', format: 'pem' }) as string, `${path}.new`)
  }

  /** Null where there is none. */
  async read(epoch: number): Promise<KeyObject | null> {
    const pem = await readWhole(this.#path(epoch), KEY_BYTES_MAX)
    try {
      return pem === null ? null : createPrivateKey(pem)
    } catch {
      // Its words might quote the key
      throw new SignerError('SIGNER_DAMAGED', `Cannot use "${this.#path(epoch)}": it is no private key`)
    }
  }

  /** Destroys those of all other epochs, also of one that a crash kept from beginning. */
  async keepOnly(epoch: number): Promise<void> {
    const others = (await readdir(this.#directory)).filter((name) => name.startsWith('key-') && name !== keyName(epoch))
    for (const name of others) await rm(join(this.#directory, name))
  }

  async areAny(): Promise<boolean> {
    return (await readdir(this.#directory)).some((name) => name.startsWith('key-'))
  }

  #path(epoch: number): string {
    return join(this.#directory, keyName(epoch))
  }
}

function keyName(epoch: number): string {
  return `key-${epoch}.pem`
}
