// SPDX-License-Identifier: Apache-2.0
import { isAbsolute, normalize } from 'node:path'
import type { ExecOptions, ExecResult, IsolationKind, RunObserver } from '@sallyport/agent'
import { ExitCode } from '@sallyport/core'
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { createInterrupt, type Interrupt } from '../interrupt.ts'
import { addEgressOptions, type EgressFlags, readEgress } from '../options/egress.ts'
import { parseEnv } from '../options/key-value.ts'
import { parseLimits } from '../options/limits.ts'
import { readDeliveries, readSecrets, type SecretOptions } from '../options/secrets.ts'
import { addSandboxOptions, collect, stateDirectoryOf } from '../options/shared.ts'
import { DoorNotes, renderRefusedDoors, renderUsedDoors } from '../terminal/doors.ts'
import { jsonText, oneLine, Sanitizer } from '../terminal/sanitize.ts'
import type { Sink } from '../terminal/sink.ts'
import { createStyle } from '../terminal/style.ts'
import { UsageError } from '../usage-error.ts'

const EXAMPLES = `
Examples:
  sallyport exec -- npm test
  sallyport exec --write dist -- npm run build     keeps files that it made or changed in dist; deletes none
  sallyport exec --limit memory=512MiB --limit time=2m -- ./configure
  sallyport exec --allow registry.example.test:443 -- npm ci
  sallyport exec --secret NPM_TOKEN -- ./publish.sh
  sallyport exec --secret KEY=@key.pem --deliver KEY=file -- sh -c 'ssh-add "$KEY"'      KEY holds a path
  In a step of a CI runner:   shell: sudo --preserve-env=RUNNER_TEMP sallyport exec -- bash -e {0}

The command works on a copy of the current directory, and its stdin is empty. Its output goes to stdout (to stderr
with --json, which prints the result to stdout). Inside a CI runner a script under RUNNER_TEMP that the command line
names is copied in as well. The exit code is the command's own; 125 means that Sallyport gives the reason.`

interface ExecFlags extends SecretOptions, EgressFlags {
  readonly deliver: readonly string[]
  readonly write: readonly string[]
  readonly env: readonly string[]
  readonly limit: readonly string[]
  readonly image?: string
  readonly isolation?: IsolationKind
  readonly source?: 'read-only'
  readonly json?: true
  readonly state?: string
}

export function registerExec(program: Command, context: Context): void {
  const command = program
    .command('exec')
    .description('Run one command in a sandbox, in a copy of the current directory.')
    .usage('[options] -- COMMAND...')
    .argument('<command...>', 'the command and its arguments')
    .passThroughOptions()
    .option('--write <path>', 'keep what the command changes there; may be repeated', collect, [])
    .option('--json', 'the result as one JSON document on stdout')
  addSandboxOptions(command)
  command.option('--deliver <name=kind>', 'file or fd: the variable of a secret holds a path, not the value; may be repeated', collect, [])
  addEgressOptions(command)
  command.option('--image <reference>', 'the image that it runs in: of a registry, oci:DIR[:TAG], oci-archive:FILE or docker-archive:FILE')
  command.addHelpText('after', EXAMPLES).action((argv: string[], flags: ExecFlags) => exec(argv, flags, context))
}

async function exec(argv: readonly string[], flags: ExecFlags, context: Context): Promise<void> {
  const { stdout, stderr, config } = context
  await context.becomeOwnRoot(ExitCode.execRefused)
  using interrupt = createInterrupt(context.signals, (line) => stderr.write(`${line}\n`))
  const options = readOptions(argv, flags, context, interrupt)
  const agent = await context.loadAgent()
  const printer = createPrinter(flags.json === true ? stderr : stdout, stderr, config.allowsColor)
  context.onStdoutClosed = interrupt.kill // As SIGPIPE ends a command whose reader is gone.
  try {
    const result = await agent.exec(options, printer.observer)
    printer.end()
    context.exitCode = interrupt.isRequested && result.error !== null ? ExitCode.interrupted : result.exitCode
    if (flags.json === true) stdout.write(`${jsonText(result)}\n`)
    printDoors(result, stderr)
    printNotes(result, stderr)
  } finally {
    context.onStdoutClosed = null
  }
}

function readOptions(argv: readonly string[], flags: ExecFlags, context: Context, interrupt: Interrupt): ExecOptions {
  const secrets = readSecrets(flags, context.secrets)
  return {
    stateDirectory: stateDirectoryOf(flags, context.config.stateDirectory),
    directory: context.workingDirectory,
    argv,
    image: flags.image ?? null,
    scriptDirectory: context.config.runnerTemp,
    env: parseEnv('--env', flags.env),
    write: flags.write.map(parseWritePath),
    limits: parseLimits(flags.limit),
    secrets,
    deliver: readDeliveries(flags.deliver, secrets),
    egress: readEgress(flags, context),
    isolation: flags.isolation ?? null,
    source: flags.source ?? null,
    interrupt,
  }
}

function parseWritePath(text: string): string {
  const path = normalize(text).replace(/\/+$/, '')
  const leaves = isAbsolute(path) || path === '..' || path.startsWith('../')
  if (text !== '' && !leaves) return path
  throw new UsageError('USAGE', `--write: "${text}" is not inside of the current directory`, {
    hint: 'Write a path relative to it, e.g. --write dist',
  })
}

/** Bytes pass as they are, except to a terminal, which would obey them. */
function createPrinter(sink: Sink, stderr: Sink, keepsColor: boolean): { observer: RunObserver; end: () => void } {
  const nothing = (): void => undefined
  // The record has them all; only a wait is told while it lasts.
  const doors = new DoorNotes()
  const event: RunObserver['event'] = (envelope) => {
    if (envelope.type === 'exec.copying') stderr.write('sallyport: copying the current directory…\n')
    if (envelope.type === 'run.notice') stderr.write(`sallyport: notice: ${oneLine(String(envelope.data['message']), 1000)}\n`)
    const door = doors.describe(envelope)
    if (door !== null) stderr.write(`sallyport: ${door}\n`)
  }
  if (!sink.isTerminal) return { observer: { event, output: (_job, _step, bytes) => sink.write(bytes) }, end: nothing }
  const decoder = new TextDecoder()
  const sanitizer = new Sanitizer(keepsColor)
  const output: RunObserver['output'] = (_job, _step, bytes) => sink.write(sanitizer.write(decoder.decode(bytes, { stream: true })))
  return { observer: { event, output }, end: () => sink.write(sanitizer.write(decoder.decode()) + sanitizer.end()) }
}

function printDoors({ doors }: ExecResult, stderr: Sink): void {
  const style = createStyle(false)
  const place = (): string => ''
  const sections = renderUsedDoors(doors, place, style) + renderRefusedDoors(doors, place, style)
  if (sections !== '') stderr.write(sections.replaceAll(/^(?! )/gm, 'sallyport: ').replace(/sallyport: $/, ''))
}

function printNotes({ error, refusals, doors, kept, dropped, id, log }: ExecResult, stderr: Sink): void {
  const notes = refusals.map(({ what, detail }) => `refused: ${oneLine(what)}: ${oneLine(detail)}`)
  if (kept > 0) notes.push(`${kept} changed file${kept === 1 ? '' : 's'} kept`)
  if (dropped > 0) notes.push(`${dropped} changed file${dropped === 1 ? '' : 's'} dropped; --write PATH keeps what changes there`)
  if (refusals.length > 0 || doors.refused.length > 0) notes.push(`record: sallyport runs show ${oneLine(id)}`)
  const unpublished = log?.unpublished ?? null
  if (unpublished !== null) notes.push(`notice: the log of this command is durable, and not published: ${oneLine(unpublished, 4000)}`)
  if (error !== null) {
    notes.push(`error[${oneLine(error.code)}]: ${oneLine(error.message, 4000)}`)
    if (error.hint !== null) notes.push(`  ${oneLine(error.hint, 4000)}`)
  }
  for (const note of notes) stderr.write(note.startsWith('  ') ? `${note}\n` : `sallyport: ${note}\n`)
}
