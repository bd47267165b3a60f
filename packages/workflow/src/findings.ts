// SPDX-License-Identifier: Apache-2.0
import { ProblemList } from '@sallyport/core'
import type { Notice, SourcePosition, Trigger } from './plan.ts'
import { WorkflowError, type WorkflowErrorCode } from './problem.ts'

/** More than this many help nobody, and a hostile file could ask for millions. */
const NOTICES_MAX = 100

/** Collects everything that there is to say about one file, so that all of it is reported at once. */
export class Findings {
  readonly #problems = new ProblemList()
  readonly #notices: Notice[] = []
  readonly #noticed = new Set<string>()

  invalid(at: SourcePosition, message: string, suggestion: string | null = null): void {
    this.#problems.add({ at, message, suggestion, kind: 'invalid' })
  }

  /** Valid for GitHub Actions, refused by Sallyport today. */
  unsupported(at: SourcePosition, message: string, suggestion: string | null = null): void {
    this.#problems.add({ at, message, suggestion, kind: 'unsupported' })
  }

  notice(at: SourcePosition, message: string): void {
    if (this.#noticed.has(message) || this.#notices.length >= NOTICES_MAX) return
    this.#noticed.add(message)
    this.#notices.push({ message, at })
  }

  /** True once further problems are only counted: then callers spare themselves the work for position and suggestion. */
  get isFull(): boolean {
    return this.#problems.isFull
  }

  /** One more problem, which is only counted. */
  count(): void {
    this.#problems.count()
  }

  get hasProblems(): boolean {
    return !this.#problems.isEmpty
  }

  get notices(): readonly Notice[] {
    return this.#notices
  }

  /** @throws WorkflowError with every problem, in the order of the file, when there is any. */
  throwProblems(code: WorkflowErrorCode, triggers: readonly Trigger[] | null = null): void {
    if (!this.#problems.isEmpty) throw new WorkflowError(code, this.#problems.sorted(), triggers)
  }
}
