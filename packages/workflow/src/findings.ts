// SPDX-License-Identifier: Apache-2.0
import type { Notice, SourcePosition, Trigger } from './plan.ts'
import { type Problem, WorkflowError, type WorkflowErrorCode } from './problem.ts'

/** More than this many help nobody, and a hostile file could ask for millions. */
const PROBLEMS_MAX = 100

/** Collects everything that there is to say about one file, so that all of it is reported at once. */
export class Findings {
  readonly #problems: Problem[] = []
  readonly #notices: Notice[] = []
  readonly #seen = new Set<string>()
  #dropped = 0

  invalid(at: SourcePosition, message: string, suggestion: string | null = null): void {
    this.#add({ at, message, suggestion, kind: 'invalid' })
  }

  /** Valid for GitHub Actions, refused by Sallyport today. */
  unsupported(at: SourcePosition, message: string, suggestion: string | null = null): void {
    this.#add({ at, message, suggestion, kind: 'unsupported' })
  }

  notice(at: SourcePosition, message: string): void {
    const key = `notice ${message}`
    if (this.#seen.has(key) || this.#notices.length >= PROBLEMS_MAX) return
    this.#seen.add(key)
    this.#notices.push({ message, at })
  }

  /** True once further problems are only counted: then callers spare themselves the work for position and suggestion. */
  get isFull(): boolean {
    return this.#problems.length >= PROBLEMS_MAX
  }

  /** One more problem, which is only counted. */
  count(): void {
    this.#dropped += 1
  }

  get hasProblems(): boolean {
    return this.#problems.length > 0
  }

  get notices(): readonly Notice[] {
    return this.#notices
  }

  /** @throws WorkflowError with every problem, in the order of the file, when there is any. */
  throwProblems(code: WorkflowErrorCode, triggers: readonly Trigger[] | null = null): void {
    if (this.#problems.length === 0) return
    const sorted = this.#problems.toSorted((a, b) => a.at.line - b.at.line || a.at.column - b.at.column)
    const last = sorted.at(-1)
    if (this.#dropped > 0 && last !== undefined) {
      sorted.push({ at: last.at, message: `${this.#dropped} more problems are not shown`, suggestion: 'fix these first', kind: last.kind })
    }
    throw new WorkflowError(code, sorted, triggers)
  }

  #add(problem: Problem): void {
    const key = `${problem.at.line}:${problem.at.column} ${problem.message}`
    if (this.#seen.has(key)) return
    if (this.isFull) {
      this.count()
      return
    }
    this.#seen.add(key)
    this.#problems.push(problem)
  }
}
