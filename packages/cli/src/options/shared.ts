// SPDX-License-Identifier: Apache-2.0
import { resolve } from 'node:path'
import type { IsolationKind } from '@sallyport/agent'
import { type Command, Option } from 'commander'
import { UsageError } from '../usage-error.ts'
import { LIMIT_KEYS } from './limits.ts'

/** Options that later releases have. Accepting them in silence would run with less than was asked for. */
const LATER_OPTIONS: Readonly<Record<string, string>> = {
  '--policy <directory>': 'policies',
  '--artifacts <directory>': 'artifacts',
  '--actions-dir <directory>': 'mirrors of actions',
}

const ISOLATION_KINDS: Readonly<Record<string, IsolationKind>> = { oci: 'oci', gvisor: 'gvisor', auto: 'auto', runc: 'runc', crun: 'crun' }
const LATER_ISOLATION: readonly string[] = ['microvm']

export function addLaterOptions(command: Command, flags: readonly string[]): void {
  for (const [definition, what] of Object.entries(LATER_OPTIONS)) {
    const flag = definition.split(' ')[0] ?? ''
    if (!flags.includes(flag)) continue
    command.addOption(new Option(definition).hideHelp().argParser(() => refuseLater(flag, what)))
  }
}

function refuseLater(flag: string, what: string): never {
  throw new UsageError('NOT_IN_RELEASE', `${flag} is not in this release: ${what}`, { hint: `Leave ${flag} out` })
}

export function addStateOption(command: Command): void {
  command.option('--state <dir>', 'where runs are recorded (default: /var/lib/sallyport, or $XDG_STATE_HOME/sallyport when not root)')
}

/** Of a command that neither reads nor writes records. Every command takes the option, so that scripts may give it to all of them alike. */
export function addUnusedStateOption(command: Command): void {
  command.option('--state <dir>', 'taken as by every command; this one reads and records nothing there')
}

/** Options of every command that starts a sandbox. */
export function addSandboxOptions(command: Command): void {
  command
    .option('--secret <name>', 'a secret from the environment (NAME) or from a file (NAME=@FILE); may be repeated', collect, [])
    .option('--secrets-file <file>', 'secrets from a dotenv file; may be repeated', collect, [])
    .option('--env <name=value>', 'an environment variable; may be repeated', collect, [])
    .option('--limit <name=value>', `a limit: ${LIMIT_KEYS.join(', ')}; may be repeated`, collect, [])
    .option(
      '--isolation <kind>',
      'oci, gvisor, or auto for the strongest that this host can run; runc or crun by name (default: what the repository and the operator ask for, else oci)',
      parseIsolation,
    )
    .option('--source <mode>', 'read-only: files of the checkout stay as they are, and each change is told with who made it', parseSource)
  addStateOption(command)
}

export function parseIsolation(text: string): IsolationKind {
  const kind = Object.hasOwn(ISOLATION_KINDS, text) ? ISOLATION_KINDS[text] : undefined
  if (kind !== undefined) return kind
  const kinds = Object.keys(ISOLATION_KINDS).join(', ')
  if (LATER_ISOLATION.includes(text)) {
    throw new UsageError('NOT_IN_RELEASE', `--isolation ${text} is not in this release`, { hint: `Choose one of ${kinds}` })
  }
  throw new UsageError('USAGE', `--isolation: there is no kind "${text}"`, { hint: `Choose one of ${kinds}` })
}

export function parseSource(text: string): 'read-only' {
  if (text === 'read-only') return text
  throw new UsageError('USAGE', `--source: there is no mode "${text}"`, { hint: 'Write --source read-only, or leave it out' })
}

/** Gathers an option that may be repeated. */
export function collect(text: string, earlier: readonly string[]): readonly string[] {
  return [...earlier, text]
}

export function parseJobs(text: string): number {
  const jobs = /^\d{1,4}$/.test(text) ? Number(text) : 0
  if (jobs < 1)
    throw new UsageError('USAGE', `--jobs: "${text}" is not a number of jobs`, { hint: 'Write a whole number from 1, e.g. --jobs 2' })
  return jobs
}

export function stateDirectoryOf(options: { readonly state?: string }, fallback: string): string {
  return resolve(options.state ?? fallback)
}
