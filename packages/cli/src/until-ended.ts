// SPDX-License-Identifier: Apache-2.0
import type { SignalSource } from './interrupt.ts'

const SIGNALS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP']

/** What ends a command that goes on until somebody ends it: the first of the signals. With it goes what was begun, and then the process. */
export class UntilEnded implements Disposable {
  readonly #source: SignalSource
  readonly #abort = new AbortController()
  readonly #listener = (): void => this.end()

  constructor(source: SignalSource) {
    this.#source = source
    for (const signal of SIGNALS) source.on(signal, this.#listener)
  }

  get signal(): AbortSignal {
    return this.#abort.signal
  }

  /** As if a signal had come. */
  end(): void {
    this.#abort.abort()
  }

  /** Resolves when it has ended. Listeners of signals alone keep no process alive: something else has to, such as a server. */
  wait(): Promise<void> {
    if (this.signal.aborted) return Promise.resolve()
    return new Promise((resolve) => this.signal.addEventListener('abort', () => resolve(), { once: true }))
  }

  [Symbol.dispose](): void {
    for (const signal of SIGNALS) this.#source.off(signal, this.#listener)
  }
}
