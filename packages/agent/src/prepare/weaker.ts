// SPDX-License-Identifier: Apache-2.0
import type { Weakness } from '@sallyport/sandbox'

/** What the jobs of one run are promised less than root's: told once, when the first sandbox stands. */
export class Weaker {
  readonly #notice: (message: string) => void
  #list: readonly Weakness[] = []

  constructor(notice: (message: string) => void) {
    this.#notice = notice
  }

  tell(weaknesses: readonly Weakness[]): void {
    if (this.#list.length > 0 || weaknesses.length === 0) return
    this.#list = weaknesses
    const names = weaknesses.map(({ name }) => name).join(', ')
    this.#notice(`without root, weaker: ${names} ("sallyport doctor" explains each, and says how to get it)`)
  }

  /** For the document; empty for root. */
  get list(): readonly Weakness[] {
    return this.#list
  }
}
