// SPDX-License-Identifier: Apache-2.0
import type { StoreError } from '../store-error.ts'

/** Somebody may have put a million of them there. */
const NAMED_MAX = 8

/** Files of a log that is checked which are none that a log has: they count as missing, and whoever asks is told why. */
export class RefusedFiles {
  readonly #messages = new Set<string>()
  #more = 0

  readonly add = ({ message }: StoreError): void => {
    if (this.#messages.size < NAMED_MAX) this.#messages.add(message)
    else if (!this.#messages.has(message)) this.#more += 1
  }

  /** So far: it grows while files are read. */
  get messages(): readonly string[] {
    return this.#more === 0 ? [...this.#messages] : [...this.#messages, `others like these were met ${this.#more} times`]
  }
}
