// SPDX-License-Identifier: Apache-2.0
import { quote } from '@sallyport/core'
import type { ProviderPorts } from '../../contract.ts'
import { SecretsError } from '../../secrets-error.ts'
import { LivingToken } from './living-token.ts'
import type { Login } from './login.ts'
import type { VaultAnswer } from './vault-answer.ts'
import { type VaultClient, type VaultQuestion, VaultRefusal } from './vault-client.ts'
import type { VaultSettings } from './vault-settings.ts'

/** Less is no time to do anything with. */
const REMAINING_MS_MIN = 5000

export type BrokerQuestion = Omit<VaultQuestion, 'token'>

/** The broker's own standing: it logs in when it has to, and once for all who wait for it. */
export class BrokerToken {
  readonly #settings: VaultSettings
  readonly #ports: ProviderPorts
  readonly #client: VaultClient
  readonly #login: Login
  #current: LivingToken | null = null
  #loggingIn: Promise<LivingToken> | null = null
  /** Children of theirs may still be at work. */
  readonly #former = new Set<LivingToken>()

  constructor(settings: VaultSettings, { ports, client, login }: { ports: ProviderPorts; client: VaultClient; login: Login }) {
    this.#settings = settings
    this.#ports = ports
    this.#client = client
    this.#login = login
  }

  /**
   * Asks with the broker's token; a token that turns out to be no good is replaced, once. `lastsMs`: how long it has to be there for what is made
   * with it, as far as another login can make it so.
   * @throws SecretsError PROVIDER_LOGIN_REFUSED, or PROVIDER_DENIED where the token is good and may not
   */
  async ask(question: BrokerQuestion, lastsMs = 0): Promise<{ readonly answer: VaultAnswer; readonly by: LivingToken }> {
    const first = await this.#get(question.signal, lastsMs)
    try {
      return { answer: await this.#client.ask({ ...question, token: first.token }), by: first }
    } catch (error) {
      if (!(error instanceof VaultRefusal) || error.status !== 403 || (await this.#isGood(first, question.signal))) throw error
      this.#drop(first)
      const second = await this.#get(question.signal, lastsMs)
      return { answer: await this.#client.ask({ ...question, token: second.token }), by: second }
    }
  }

  /** What was made for this process is given back; a token that came in a file is not ours. */
  async giveBack(signal: AbortSignal): Promise<void> {
    const tokens = [...this.#former, ...(this.#current === null ? [] : [this.#current])]
    for (const living of tokens) living.stop()
    this.#former.clear()
    this.#current = null
    if (this.#settings.auth.method === 'token') return
    const what = `give back the token of ${quote(this.#settings.name)}`
    await Promise.allSettled(
      // Whatever fails here ends at the token's time
      tokens.map(({ token }) =>
        this.#client.ask({ what, method: 'POST', path: 'auth/token/revoke-self', token, body: {}, isRepeatable: true, signal }),
      ),
    )
  }

  async #get(signal: AbortSignal, lastsMs: number): Promise<LivingToken> {
    const current = this.#current
    if (current !== null && current.remainingMs > REMAINING_MS_MIN && current.lastsMs >= lastsMs) return current
    if (current !== null && this.#settings.auth.method === 'token' && current.remainingMs > REMAINING_MS_MIN) return current
    this.#loggingIn ??= this.#logIn(signal).finally(() => {
      this.#loggingIn = null
    })
    return this.#loggingIn
  }

  async #logIn(signal: AbortSignal): Promise<LivingToken> {
    const made = await this.#login.broker(signal)
    for (const living of this.#former) if (living.remainingMs <= 0) this.#forget(living)
    if (this.#current !== null) this.#former.add(this.#current)
    this.#current = new LivingToken(made, this.#client, this.#ports.nowMs)
    return this.#current
  }

  #drop(living: LivingToken): void {
    this.#forget(living)
    if (this.#current === living) this.#current = null
  }

  #forget(living: LivingToken): void {
    living.stop()
    this.#former.delete(living)
  }

  /** A refusal says the same of a bad token and of a policy. */
  async #isGood({ token }: LivingToken, signal: AbortSignal): Promise<boolean> {
    const what = `look at the token of ${quote(this.#settings.name)}`
    try {
      await this.#client.ask({ what, method: 'GET', path: 'auth/token/lookup-self', token, body: null, isRepeatable: true, signal })
      return true
    } catch (error) {
      if (error instanceof SecretsError && error.code === 'PROVIDER_DENIED') return false
      throw error
    }
  }
}
