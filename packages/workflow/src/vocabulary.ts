// SPDX-License-Identifier: Apache-2.0

export interface FunctionSignature {
  readonly name: string
  readonly minArgs: number
  readonly maxArgs: number
}

/** What an expression may name at its place. */
export interface Vocabulary {
  readonly contexts: readonly string[]
  /** Beside the built-in ones. */
  readonly functions: readonly FunctionSignature[]
}

export const STATUS_FUNCTIONS: ReadonlySet<string> = new Set(['success', 'failure', 'cancelled', 'always'])

/** All that GitHub knows anywhere: to read expressions that were checked before, and to tell "not here" from "no such thing". */
export const EVERY_NAME: Vocabulary = {
  contexts: ['github', 'env', 'vars', 'job', 'jobs', 'steps', 'runner', 'secrets', 'strategy', 'matrix', 'needs', 'inputs'],
  functions: [...STATUS_FUNCTIONS, 'hashFiles'].map((name) => ({ name, minArgs: 0, maxArgs: Number.MAX_SAFE_INTEGER })),
}

/** Reads the schema's list of what an expression may name: `github`, `hashFiles(1,255)`, `success(0,MAX)`. */
export function vocabularyOf(allowedContext: readonly string[]): Vocabulary {
  const contexts: string[] = []
  const functions: FunctionSignature[] = []
  for (const entry of allowedContext) {
    const [, name, minArgs, maxArgs] = /^(\w+)\((\d+),(\d+|MAX)\)$/.exec(entry) ?? []
    if (name === undefined) contexts.push(entry)
    else functions.push({ name, minArgs: Number(minArgs), maxArgs: maxArgs === 'MAX' ? Number.MAX_SAFE_INTEGER : Number(maxArgs) })
  }
  return { contexts, functions }
}
