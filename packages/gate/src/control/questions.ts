// SPDX-License-Identifier: Apache-2.0

export interface QuestionBounds {
  /** That the supervisor has not answered; beyond, the answer is null. It takes more for an attack. */
  readonly max: number
  /** After so long nobody waits any more. */
  readonly waitMs: number
}

/** What the gate asks the supervisor, by number. */
export class Questions<Answer> {
  readonly #bounds: QuestionBounds
  readonly #waiting = new Map<number, (answer: Answer | null) => void>()
  #last = 0

  constructor(bounds: QuestionBounds) {
    this.#bounds = bounds
  }

  /** Null: unknown. */
  ask(send: (id: number) => void): Promise<Answer | null> {
    if (this.#waiting.size >= this.#bounds.max) return Promise.resolve(null)
    const { promise, resolve } = Promise.withResolvers<Answer | null>()
    this.#last += 1
    const id = this.#last
    const timer = setTimeout(resolve, this.#bounds.waitMs, null)
    // One that nobody waits for any more counts until it is answered: a slow supervisor still has to read it.
    this.#waiting.set(id, (answer) => {
      clearTimeout(timer)
      this.#waiting.delete(id)
      resolve(answer)
    })
    send(id)
    return promise
  }

  answer(id: number, answer: Answer | null): void {
    this.#waiting.get(id)?.(answer)
  }
}
