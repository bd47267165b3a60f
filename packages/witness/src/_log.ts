// SPDX-License-Identifier: Apache-2.0
// A log in memory that can be asked for any checkpoint and proof, and can lie.
import { generateKeyPairSync } from 'node:crypto'
import {
  ed25519Signer,
  formatAddCheckpoint,
  formatCheckpoint,
  formatNote,
  formatVerifierKey,
  type Hash,
  leafHash,
  type NoteSigner,
  nodeHash,
  proveConsistency,
  rootAt,
} from '@sallyport/audit-log'

export class TestLog {
  readonly origin: string
  readonly signer: NoteSigner
  readonly #leaves: readonly Hash[]

  /** Logs with another `salt` have other entries from `commonSize` on. */
  constructor({ origin = 'log.example.test/audit', size = 1000, salt = '', commonSize = 0, signer }: Partial<TestLogOptions> = {}) {
    this.origin = origin
    this.signer = signer ?? ed25519Signer(origin, generateKeyPairSync('ed25519').privateKey)
    this.#leaves = Array.from({ length: size }, (_, index) => leafHash(Buffer.from(`${index < commonSize ? '' : salt}${index}`)))
  }

  get verifierKey(): string {
    return formatVerifierKey(this.signer.key)
  }

  async checkpoint(size: number): Promise<Uint8Array> {
    const text = formatCheckpoint({ origin: this.origin, size, root: await rootAt(this.#reader, size), extensions: [] })
    return formatNote({ text, signatures: [this.signer.sign(text)] })
  }

  prove(oldSize: number, size: number): Promise<Hash[]> {
    return proveConsistency(this.#reader, oldSize, size)
  }

  async request(oldSize: number, size: number): Promise<Uint8Array> {
    const proof = oldSize === 0 ? [] : await this.prove(oldSize, size)
    return formatAddCheckpoint({ oldSize, proof, checkpoint: await this.checkpoint(size) })
  }

  get #reader(): { hash: (level: number, index: number) => Promise<Hash> } {
    return { hash: async (level, index) => this.#hash(level, index) }
  }

  #hash(level: number, index: number): Hash {
    const leaf = this.#leaves[index]
    if (level === 0 && leaf !== undefined) return leaf
    return nodeHash(this.#hash(level - 1, index * 2), this.#hash(level - 1, index * 2 + 1))
  }
}

interface TestLogOptions {
  readonly origin: string
  readonly size: number
  readonly salt: string
  readonly commonSize: number
  readonly signer: NoteSigner
}
