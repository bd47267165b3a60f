// SPDX-License-Identifier: Apache-2.0
import type { Duplex } from 'node:stream'
import { type Failure, KeyProcessClient, type KeyProcessKind } from '@sallyport/key-process'
import { LIFETIME_S, type Minted, type MintRequest, type TokenMinter } from '../contract.ts'
import { IdentityError, type IdentityErrorCode } from '../identity-error.ts'
import { ANSWER_BYTES_MAX, type Answer, parseAnswer, type Question } from './messages.ts'
import { placeholderFor } from './placeholder.ts'

/** The supervisor's end of a minter. Whatever goes wrong loses it: every call that waits and every later one rejects with `IDENTITY_LOST`. */
export class MinterClient implements TokenMinter, Disposable {
  readonly #process: KeyProcessClient<Question, Answer>

  constructor(socket: Duplex) {
    this.#process = new KeyProcessClient(socket, MINTER)
  }

  /** Resolves once it can mint. @throws IdentityError; StoreError for its files. */
  get ready(): Promise<void> {
    return this.#process.ready
  }

  async mint({ identity, audience, algorithm = 'RS256', lifetimeS = LIFETIME_S.default, as = 'token' }: MintRequest): Promise<Minted> {
    const answer = await this.#process.ask({ type: 'mint', identity, audience, algorithm, lifetimeS }, ['minted', 'refused'])
    if (answer.type === 'refused') throw refusal(answer)
    const { type: _, ...minted } = answer
    return { ...minted, audience, algorithm, placeholder: as === 'placeholder' ? placeholderFor(minted.token) : null }
  }

  /** @throws IdentityError IDENTITY_TOO_EARLY: nothing has changed. */
  async rotate({ isCompromised }: { readonly isCompromised: boolean }): Promise<void> {
    const answer = await this.#process.ask({ type: 'rotate', isCompromised }, ['rotated', 'refused'])
    if (answer.type === 'refused') throw refusal(answer)
  }

  /** Ends the minter. Idempotent. */
  [Symbol.dispose](): void {
    this.#process[Symbol.dispose]()
  }
}

const MINTER: KeyProcessKind<Answer> = {
  answerBytesMax: ANSWER_BYTES_MAX,
  parseAnswer,
  lost: (reason) =>
    new IdentityError('IDENTITY_LOST', `The minter of identity tokens is gone: ${reason}`, {
      hint: 'No token is minted any more; start the run again',
    }),
  failed: failedError,
}

function failedError({ code, message, hint }: Failure): IdentityError | null {
  if (!/^IDENTITY_(ISSUER|LOST|LOCKED|DAMAGED)$/.test(code)) return null
  return new IdentityError(code as IdentityErrorCode, message, hint === null ? {} : { hint })
}

function refusal({ code, message, hint }: Extract<Answer, { type: 'refused' }>): IdentityError {
  return new IdentityError(code, message, hint === null ? {} : { hint })
}
