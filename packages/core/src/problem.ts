// SPDX-License-Identifier: Apache-2.0

export interface SourcePosition {
  readonly file: string
  /** From 1. */
  readonly line: number
  /** From 1. */
  readonly column: number
}

/** One thing that is wrong in a user's file, and what would be right. */
export interface Problem {
  readonly at: SourcePosition
  /** What is wrong; quotes the offending text. */
  readonly message: string
  /** What would be right, e.g. `did you mean "build"?`; null when nothing sensible can be said. */
  readonly suggestion: string | null
  /** `unsupported`: valid by its specification, refused by Sallyport today. */
  readonly kind: 'invalid' | 'unsupported'
}

/** `file:line:column: message (suggestion)`, the form that editors can jump to. */
export function formatProblem(problem: Problem): string {
  const { file, line, column } = problem.at
  const suggestion = problem.suggestion === null ? '' : ` (${problem.suggestion})`
  return `${file}:${line}:${column}: ${problem.message}${suggestion}`
}

/** More than this many help nobody, and a hostile file could ask for millions. */
const PROBLEMS_MAX = 100

/** Collects everything that there is to say about one file, so that all of it is reported at once. */
export class ProblemList {
  readonly #problems: Problem[] = []
  readonly #seen = new Set<string>()
  #dropped = 0

  add(problem: Problem): void {
    const key = `${problem.at.line}:${problem.at.column} ${problem.message}`
    if (this.#seen.has(key)) return
    if (this.isFull) {
      this.count()
      return
    }
    this.#seen.add(key)
    this.#problems.push(problem)
  }

  /** True once further problems are only counted: then callers spare themselves the work for position and suggestion. */
  get isFull(): boolean {
    return this.#problems.length >= PROBLEMS_MAX
  }

  /** One more problem, which is only counted. */
  count(): void {
    this.#dropped += 1
  }

  get isEmpty(): boolean {
    return this.#problems.length === 0
  }

  /** In the order of the file, and last how many more there are. */
  sorted(): readonly Problem[] {
    const sorted = this.#problems.toSorted((a, b) => a.at.line - b.at.line || a.at.column - b.at.column)
    const last = sorted.at(-1)
    if (this.#dropped > 0 && last !== undefined) {
      sorted.push({ at: last.at, message: `${this.#dropped} more problems are not shown`, suggestion: 'fix these first', kind: last.kind })
    }
    return sorted
  }
}
