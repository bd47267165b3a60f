// SPDX-License-Identifier: Apache-2.0
import type { FileEntry } from './env-file.ts'
import { EngineError } from './errors.ts'

/**
 * Variables through which a file written by one step would run its code inside a later step, which may hold
 * secrets that the first was not given. GitHub refuses NODE_OPTIONS; the others do the same for other programs.
 * PATH and GITHUB_PATH stay possible, as documented: they are how tools are installed.
 */
const LOADER_VARIABLES: ReadonlySet<string> = new Set([
  'NODE_OPTIONS',
  'LD_PRELOAD',
  'LD_AUDIT',
  'BASH_ENV',
  'SHELLOPTS',
  'BASHOPTS',
  'GCONV_PATH',
  'PERL5OPT',
  'PERL5DB',
  'RUBYOPT',
])
/** Exported bash functions replace commands of every later bash. */
const BASH_FUNCTION_PREFIX = 'BASH_FUNC_'
/** Set by us for each step: what a file says has no effect on GitHub either. */
const RESERVED_PREFIXES = ['GITHUB_', 'RUNNER_']

export interface EnvUpdate {
  readonly set: readonly FileEntry[]
  readonly warning: string | null
}

/**
 * What of a GITHUB_ENV file takes effect. Untrusted: names and values are the job's.
 *
 * @throws EngineError ENGINE_FILE_COMMAND_INVALID for a variable that would load code into later steps.
 */
export function guardEnv(entries: readonly FileEntry[]): EnvUpdate {
  const refused = entries.find(({ name }) => loadsCode(name))
  if (refused !== undefined) {
    throw new EngineError(
      'ENGINE_FILE_COMMAND_INVALID',
      `Cannot set ${refused.name} by $GITHUB_ENV, line ${refused.line}: it would run code inside every later step; set it in \`env:\` of the workflow instead`,
    )
  }
  const reserved = entries.filter(({ name }) => isReserved(name)).map(({ name }) => name)
  return { set: entries.filter(({ name }) => !isReserved(name)), warning: reserved.length === 0 ? null : reservedWarning(reserved) }
}

/** One warning a file: a job could write a hundred thousand such lines. */
function reservedWarning(names: readonly string[]): string {
  const shown = names.slice(0, 5).join(', ')
  return `$GITHUB_ENV: ${shown}${names.length > 5 ? ` and ${names.length - 5} more` : ''} ignored: names that start with GITHUB_ or RUNNER_ are reserved`
}

function loadsCode(name: string): boolean {
  return LOADER_VARIABLES.has(name) || name.startsWith(BASH_FUNCTION_PREFIX)
}

function isReserved(name: string): boolean {
  const upper = name.toUpperCase()
  return RESERVED_PREFIXES.some((prefix) => upper.startsWith(prefix))
}
