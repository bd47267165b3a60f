// SPDX-License-Identifier: Apache-2.0
import type { Sandbox } from '@sallyport/sandbox'
import type { Finding } from '@sallyport/secret-watch'
import type { Honeytokens } from './honeytokens.ts'

/** A step can try as often as it likes, and in as many places. */
const FINDINGS_MAX = 100

export interface HoneytokenWatchParts {
  /** The job's key. */
  readonly job: string
  readonly tell: (finding: Finding) => void
}

/** The honeytokens of one job, and what is told of them: each place once. Whoever sends or prints one is a thief. */
export class HoneytokenWatch {
  readonly tokens: Honeytokens
  readonly #parts: HoneytokenWatchParts
  readonly #told = new Set<string>()

  constructor(tokens: Honeytokens, parts: HoneytokenWatchParts) {
    this.tokens = tokens
    this.#parts = parts
  }

  /** Before the job's first step. */
  plant(sandbox: Sandbox): Promise<void> {
    return this.tokens.plant(sandbox)
  }

  /** For the doors. */
  get trap(): { readonly honeytokens: Honeytokens; readonly sprung: (step: string, where: string) => void } {
    return {
      honeytokens: this.tokens,
      sprung: (step, where) => this.#found('honeytoken-used', step, `was on its way out of the job: ${where}`),
    }
  }

  /** What a step prints. */
  watched(step: string, output: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
    return this.tokens.watched(output, () => this.#found('honeytoken-printed', step, 'was printed'))
  }

  /** Of what a step has left: `name` of the file. */
  look(step: string, name: string, text: string): void {
    if (this.tokens.isIn(text)) this.#found('honeytoken-printed', step, `was written to the step's ${name} file`)
  }

  #found(rule: 'honeytoken-used' | 'honeytoken-printed', step: string, what: string): void {
    const key = JSON.stringify([rule, step, what])
    if (this.#told.has(key) || this.#told.size >= FINDINGS_MAX) return
    this.#told.add(key)
    this.#parts.tell({
      rule,
      severity: rule === 'honeytoken-used' ? 'critical' : 'high',
      job: this.#parts.job,
      step,
      at: new Date().toISOString(),
      message: `a honeytoken of this job ${what}`,
      remedy: 'something in this job gathers credentials: revoke what it was given, and find what ran',
    })
  }
}
