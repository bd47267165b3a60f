// SPDX-License-Identifier: Apache-2.0
import { ExitCode } from '@sallyport/core'
import { Command, CommanderError, Help, type Option } from 'commander'
import type { Context } from './context.ts'
import { nearest } from './options/nearest.ts'
import { exitCodeOf, reportError } from './report-error.ts'
import { UsageError } from './usage-error.ts'
import { VERSION } from './version.ts'

type Register = (program: Command, context: Context) => void

/** One file a command, loaded when it is called. */
const COMMANDS: Readonly<Record<string, () => Promise<Register>>> = {
  run: async () => (await import('./commands/run.ts')).registerRun,
  exec: async () => (await import('./commands/exec.ts')).registerExec,
  trust: async () => (await import('./commands/trust.ts')).registerTrust,
  access: async () => (await import('./commands/access.ts')).registerAccess,
  doctor: async () => (await import('./commands/doctor.ts')).registerDoctor,
  runs: async () => (await import('./commands/runs.ts')).registerRuns,
  audit: async () => (await import('./commands/audit.ts')).registerAudit,
  secrets: async () => (await import('./commands/secrets.ts')).registerSecrets,
  image: async () => (await import('./commands/image.ts')).registerImage,
  identity: async () => (await import('./commands/identity.ts')).registerIdentity,
  redact: async () => (await import('./commands/redact.ts')).registerRedact,
  expr: async () => (await import('./commands/expr.ts')).registerExpr,
}

const EXAMPLES = `
Examples:
  sallyport run                              run the workflows that a push triggers, each job in a sandbox
  sallyport run ci.yml --job test            one job and what it needs
  sallyport exec -- npm test                 one command in the same box, on a copy of this directory
  sallyport trust                            review and approve what sallyport.yml asks for
  sallyport audit verify                     is the log of all that still what was written
  sallyport doctor                           what this machine can enforce

Exit codes: 0 success, 1 a job failed, 2 bad usage or invalid file, 3 refused, 5 a guarantee cannot be given here,
6 Sallyport itself failed, 130 interrupted. exec: the command's own code, 125 for reasons of Sallyport's own.`

/** Runs one command line; sets `context.exitCode` and throws nothing. */
export async function runProgram(argv: readonly string[], context: Context): Promise<void> {
  const word = argv.find((argument) => !argument.startsWith('-'))
  try {
    const program = createProgram(context)
    await register(program, word, context)
    await program.parseAsync(argv, { from: 'user' })
  } catch (error) {
    const cause = error instanceof CommanderError ? usageErrorOf(error, word) : error
    if (cause === null) return
    context.exitCode = word === 'exec' ? ExitCode.execRefused : exitCodeOf(cause)
    reportError(cause, context, asksForJson(argv))
  }
}

async function register(program: Command, word: string | undefined, context: Context): Promise<void> {
  const load = word !== undefined && Object.hasOwn(COMMANDS, word) ? COMMANDS[word] : undefined
  if (load !== undefined) return (await load())(program, context)
  if (word !== undefined && word !== 'help') refuseCommand(word)
  await registerAll(program, context)
}

async function registerAll(program: Command, context: Context): Promise<void> {
  for (const load of Object.values(COMMANDS)) (await load())(program, context)
}

/** Every command there is, below the program. */
export async function commandTree(context: Context): Promise<Command> {
  const program = createProgram(context)
  await registerAll(program, context)
  return program
}

function refuseCommand(word: string): never {
  const names = Object.keys(COMMANDS)
  const near = nearest(word, names)
  const list = `The commands are ${names.join(', ')}`
  throw new UsageError('USAGE', `Unknown command "${word}"`, { hint: near === null ? list : `Did you mean "${near}"? ${list}` })
}

function createProgram({ stdout, stderr, config }: Context): Command {
  return new Command('sallyport')
    .description('Runs CI jobs so that a hostile job gains nothing.')
    .usage('COMMAND [options]')
    .version(VERSION, '--version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print help of a command')
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => stdout.write(text),
      writeErr: (text) => stderr.write(text),
      outputError: () => undefined, // Printed by reportError, in our own form.
      getOutHelpWidth: () => Math.min(120, stdout.columns),
      getErrHelpWidth: () => Math.min(120, stderr.columns),
      getOutHasColors: () => stdout.isTerminal && config.allowsColor,
      getErrHasColors: () => stderr.isTerminal && config.allowsColor,
    })
    .configureHelp({ showGlobalOptions: false, optionDescription: describeOption })
    .addHelpText('after', EXAMPLES)
}

/** That an option which may be repeated is not given at first goes without saying. */
function describeOption(option: Option): string {
  return Array.isArray(option.defaultValue) ? option.description : new Help().optionDescription(option)
}

/** Null for `--help` and `--version`, which are no errors. */
function usageErrorOf(error: CommanderError, word: string | undefined): UsageError | null {
  if (error.exitCode === 0) return null
  if (error.code === 'commander.help') return new UsageError('USAGE', 'No command was given', { hint: 'The help is above' })
  const [message = '', ...rest] = error.message.replace(/^error: /, '').split('\n')
  const hint =
    rest.join(' ').replace(/^\((.*)\)$/, '$1') ||
    `See sallyport ${word === undefined || !Object.hasOwn(COMMANDS, word) ? '' : `${word} `}--help`
  return new UsageError('USAGE', message, { hint })
}

function asksForJson(argv: readonly string[]): boolean {
  const end = argv.indexOf('--')
  return argv.slice(0, end === -1 ? argv.length : end).includes('--json')
}
