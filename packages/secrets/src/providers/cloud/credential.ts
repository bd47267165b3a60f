// SPDX-License-Identifier: Apache-2.0
import type { ProviderPorts } from '../../contract.ts'
import { SecretsError } from '../../secrets-error.ts'
import { type Call, startCall, unlessAborted } from './call.ts'

/** Something that ends by itself. */
export interface Lived<Value> {
  readonly value: Value
  /** Milliseconds since 1970. */
  readonly endMs: number
}

/** Less is no time to do anything with. */
const REMAINING_MS_MIN = 30_000

/** What one job's session has to show: made when it is first needed, once for all who wait for it, and used by nobody else. */
export class Credential<Value> {
  readonly #make: (call: Call) => Promise<Lived<Value>>
  readonly #nowMs: ProviderPorts['nowMs']
  readonly #stop = new AbortController()
  #current: Lived<Value> | null = null
  #making: Promise<Lived<Value>> | null = null

  constructor(make: (call: Call) => Promise<Lived<Value>>, nowMs: ProviderPorts['nowMs']) {
    this.#make = make
    this.#nowMs = nowMs
  }

  /** One that had been there already, and turns out to be no good, is replaced, once. @throws SecretsError */
  async use<Result>(call: Call, work: (value: Value) => Promise<Result>): Promise<Result> {
    const held = this.#current
    const first = await this.#get(call)
    try {
      return await work(first.value)
    } catch (error) {
      if (!(error instanceof SecretsError) || error.code !== 'PROVIDER_LOGIN_REFUSED') throw error
      if (this.#current === first) this.#current = null
      if (first !== held) throw error
    }
    return work((await this.#get(call)).value)
  }

  /** It is held no longer. Where it was made it lives on, until its own end. */
  forget(): void {
    this.#current = null
    this.#stop.abort(new SecretsError('PROVIDER_LOGIN_REFUSED', 'Cannot log in: the session has ended'))
  }

  async #get({ signal }: Call): Promise<Lived<Value>> {
    if (this.#current !== null && this.#current.endMs - this.#nowMs() > REMAINING_MS_MIN) return this.#current
    this.#making ??= this.#makeOne().finally(() => {
      this.#making = null
    })
    return unlessAborted(this.#making, signal)
  }

  /** In its own time: who asked first may give up, and others wait. */
  async #makeOne(): Promise<Lived<Value>> {
    const made = await this.#make(startCall(this.#stop.signal))
    this.#stop.signal.throwIfAborted()
    this.#current = made
    return made
  }
}
