// SPDX-License-Identifier: Apache-2.0
import type { Duplex } from 'node:stream'
import type { CheckpointSigner, Growth, RotatedEpoch, TreeHead } from '@sallyport/audit-log'
import { type Failure, KeyProcessClient, type KeyProcessKind } from '@sallyport/key-process'
import { type Answer, FROM_SIGNER_BYTES_MAX, type Question } from './contract.ts'
import { parseEpoch } from './epoch.ts'
import { parseAnswer } from './messages.ts'
import { SignerError, type SignerErrorCode } from './signer-error.ts'
import { parseHead } from './signer-state.ts'

/** The supervisor's end of a signer. Whatever goes wrong loses it: every call that waits and every later one rejects with `SIGNER_LOST`. */
export class SignerClient implements CheckpointSigner, Disposable {
  readonly origin: string
  readonly #process: KeyProcessClient<Question, Answer>

  constructor(origin: string, socket: Duplex) {
    this.origin = origin
    this.#process = new KeyProcessClient(socket, SIGNER)
  }

  /** Resolves once it can sign. @throws SignerError SIGNER_LOCKED, SIGNER_DAMAGED, SIGNER_LOST; StoreError for its files. */
  get ready(): Promise<void> {
    return this.#process.ready
  }

  async latest(): Promise<TreeHead | null> {
    const { head } = await this.#process.ask({ type: 'latest' }, ['latest'])
    return head === null ? null : (parseHead(head) ?? null)
  }

  async sign({ oldSize, proof, head }: Growth): Promise<Uint8Array> {
    const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
    const question: Question = { type: 'sign', oldSize, proof: proof.map(base64), head: { size: head.size, root: base64(head.root) } }
    const answer = await this.#process.ask(question, ['signed', 'refused'])
    if (answer.type === 'refused')
      throw refused(answer.message, 'The log is not the one that was signed before: sallyport audit verify says what is wrong')
    return Buffer.from(answer.note, 'base64')
  }

  /** The keys that have signed, and the one that signs now. */
  async epochs(): Promise<readonly RotatedEpoch[]> {
    return (await this.#process.ask({ type: 'epochs' }, ['epochs'])).epochs.map(parseEpoch)
  }

  /** The verifier key that the next rotation brings in; it signs nothing yet. */
  async prepare(): Promise<string> {
    return (await this.#process.ask({ type: 'prepare' }, ['prepared'])).verifierKey
  }

  /** The tree that was signed last, signed by the prepared key. @throws SignerError SIGNER_REFUSED where none is */
  async try(): Promise<Uint8Array> {
    const answer = await this.#process.ask({ type: 'try' }, ['signed', 'refused'])
    if (answer.type === 'refused') throw refused(answer.message, NOT_PREPARED)
    return Buffer.from(answer.note, 'base64')
  }

  /**
   * From the tree on that was signed last, a new key signs; `to`: this one, which was prepared. Answers with the epochs, the new one last.
   * @throws SignerError SIGNER_REFUSED for another key than the prepared one
   */
  async rotate(to: string | null = null): Promise<readonly RotatedEpoch[]> {
    const answer = await this.#process.ask({ type: 'rotate', to }, ['epochs', 'refused'])
    if (answer.type === 'refused') throw refused(answer.message, NOT_PREPARED)
    return answer.epochs.map(parseEpoch)
  }

  /** Ends the signer. Idempotent. */
  [Symbol.dispose](): void {
    this.#process[Symbol.dispose]()
  }
}

const NOT_PREPARED = 'See which key is prepared: sallyport audit keys'

function refused(message: string, hint: string): SignerError {
  return new SignerError('SIGNER_REFUSED', message, { hint })
}

const SIGNER: KeyProcessKind<Answer> = {
  answerBytesMax: FROM_SIGNER_BYTES_MAX,
  parseAnswer,
  lost: (reason) =>
    new SignerError('SIGNER_LOST', `The signer of the log is gone: ${reason}`, {
      hint: 'What was appended is durable; the log is published when its signer runs again',
    }),
  failed: failedError,
}

/** Its own words, with its own code where that is one that a signer has. */
function failedError({ code, message, hint }: Failure): SignerError | null {
  if (!/^SIGNER_(REFUSED|LOST|LOCKED|DAMAGED)$/.test(code)) return null
  return new SignerError(code as SignerErrorCode, message, hint === null ? {} : { hint })
}
