// SPDX-License-Identifier: Apache-2.0
import { generateKeyPairSync } from 'node:crypto'
import {
  type CheckpointSigner,
  ed25519Signer,
  ed25519Verifier,
  formatCheckpoint,
  formatNote,
  type Growth,
  type NoteSigner,
  type NoteVerifier,
  type TreeHead,
  verifyConsistency,
} from '@sallyport/audit-log'

/** Signs what grows from what it signed before, and remembers for as long as it lives. */
export class MemorySigner implements CheckpointSigner {
  readonly origin: string
  readonly signer: NoteSigner
  readonly signed: TreeHead[] = []
  failure: Error | null = null

  constructor(origin = 'log.test/one') {
    this.origin = origin
    this.signer = ed25519Signer(origin, generateKeyPairSync('ed25519').privateKey)
  }

  get verifier(): NoteVerifier {
    return ed25519Verifier(this.signer.key)
  }

  async latest(): Promise<TreeHead | null> {
    return this.signed.at(-1) ?? null
  }

  async sign({ oldSize, proof, head }: Growth): Promise<Uint8Array> {
    if (this.failure !== null) throw this.failure
    const old = this.signed.at(-1)
    if ((old?.size ?? 0) !== oldSize) throw new Error(`it is ${old?.size} that was signed last, not ${oldSize}`)
    if (old !== undefined && old.size > 0 && !verifyConsistency({ old, head, proof }))
      throw new Error('what is to be signed does not grow from what was')
    this.signed.push(head)
    const text = formatCheckpoint({ origin: this.origin, ...head, extensions: [] })
    return formatNote({ text, signatures: [this.signer.sign(text)] })
  }
}
