// SPDX-License-Identifier: Apache-2.0
import { createPrivateKey, type KeyObject } from 'node:crypto'
import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { SallyportError } from '@sallyport/core'
import { destroyFile, readWhole, syncDirectory, writeFileDurably } from '@sallyport/store'

const KEY_BYTES_MAX = 4096

/** The private keys in the directory of a process that holds them: `key-NAME.pem` (PKCS #8), readable for its owner alone. */
export class KeyFiles {
  readonly #directory: string
  readonly #damaged: (message: string) => SallyportError

  /** `damaged`: the error for a file that is no key. */
  constructor(directory: string, damaged: (message: string) => SallyportError) {
    this.#directory = directory
    this.#damaged = damaged
  }

  async write(name: string, key: KeyObject): Promise<void> {
    const path = this.#path(name)
    await writeFileDurably(path, key.export({ type: 'pkcs8', format: 'pem' }) as string, `${path}.new`)
  }

  /** Null where there is none. */
  async read(name: string): Promise<KeyObject | null> {
    const pem = await readWhole(this.#path(name), KEY_BYTES_MAX)
    if (pem !== null) await this.#assertPrivate(this.#path(name))
    try {
      return pem === null ? null : createPrivateKey(pem)
    } catch {
      // Its words might quote the key
      throw this.#damaged(`Cannot use "${this.#path(name)}": it is no private key`)
    }
  }

  /** Destroys all others, also one that a crash kept from being used. */
  async keepOnly(names: readonly string[]): Promise<void> {
    const kept = new Set(names.map(fileName))
    const others = (await this.#files()).filter((file) => !kept.has(file))
    for (const file of others) await destroyFile(join(this.#directory, file))
    // Or a power failure would bring it back
    if (others.length > 0) await syncDirectory(this.#directory)
  }

  async areAny(): Promise<boolean> {
    return (await this.#files()).length > 0
  }

  /** What others could read is no secret any more. */
  async #assertPrivate(path: string): Promise<void> {
    const { mode } = await lstat(path)
    if ((mode & 0o077) !== 0) throw this.#damaged(`Cannot use "${path}": others may read it (mode ${(mode & 0o777).toString(8)}, not 600)`)
  }

  async #files(): Promise<readonly string[]> {
    return (await readdir(this.#directory)).filter((file) => file.startsWith('key-'))
  }

  #path(name: string): string {
    return join(this.#directory, fileName(name))
  }
}

function fileName(name: string): string {
  return `key-${name}.pem`
}
