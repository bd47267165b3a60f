// SPDX-License-Identifier: Apache-2.0
import { setTimeout as sleep } from 'node:timers/promises'

export interface RepublicationOptions {
  /** Makes a checkpoint of what is there, also of the same tree with new cosignatures. */
  readonly publish: () => Promise<unknown>
  /** From one success to the next call: well below the age that verifiers accept. */
  readonly intervalMs: number
  /** After a failure. */
  readonly retryMs: number
  readonly onFailure: (error: unknown) => void
}

/**
 * Publishes the log, at once and again and again, so that its latest cosignatures stay fresh: a verifier takes a log whose checkpoint is old for one
 * that was stopped. Disposing resolves when no call is under way any more.
 */
export class Republication implements AsyncDisposable {
  readonly #stop = new AbortController()
  readonly #running: Promise<void>

  constructor(options: RepublicationOptions) {
    this.#running = this.#run(options)
  }

  async #run({ publish, intervalMs, retryMs, onFailure }: RepublicationOptions): Promise<void> {
    let waitMs = 0
    while (await this.#wait(waitMs)) {
      try {
        await publish()
        waitMs = intervalMs
      } catch (error) {
        onFailure(error)
        waitMs = retryMs
      }
    }
  }

  /** False once it is to stop. */
  #wait(ms: number): Promise<boolean> {
    return sleep(ms, true, { signal: this.#stop.signal }).catch(() => false)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#running
  }
}
