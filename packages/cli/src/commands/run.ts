// SPDX-License-Identifier: Apache-2.0
import { availableParallelism } from 'node:os'
import type { IsolationKind, RunDocument, RunOptions } from '@sallyport/agent'
import { ExitCode } from '@sallyport/core'
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { createInterrupt, type Interrupt } from '../interrupt.ts'
import { addAccessOption, addEgressOptions, type EgressFlags, readEgress } from '../options/egress.ts'
import { parseEnv, parseKeyValues } from '../options/key-value.ts'
import { parseLimits } from '../options/limits.ts'
import { readPayload } from '../options/payload.ts'
import { findRepository, resolveWorkflowFile } from '../options/repository.ts'
import { readSecrets, type SecretOptions } from '../options/secrets.ts'
import { addLaterOptions, addSandboxOptions, collect, parseJobs, stateDirectoryOf } from '../options/shared.ts'
import { createView } from '../terminal/create-view.ts'
import { renderPreview } from '../terminal/preview.ts'
import { jsonText } from '../terminal/sanitize.ts'
import { createStyle } from '../terminal/style.ts'
import { renderSummary } from '../terminal/summary.ts'
import { UsageError } from '../usage-error.ts'

const EXAMPLES = `
Examples:
  sallyport run                                       the workflows in .github/workflows that a push triggers
  sallyport run --event pull_request --payload pr.json
  sallyport run ci.yml --job test --matrix node=24    one combination of one job, and what it needs
  NPM_TOKEN="$(cat token)" sallyport run --secret NPM_TOKEN
  sallyport run --limit memory=2GiB --limit time=10m
  sallyport run --allow registry.example.test         jobs may go there, and nowhere else
  sallyport run --egress observe                      block nothing, then: sallyport access learn
  sallyport run --list                                what there is; nothing is started
  sallyport run --json | jq -c 'select(.type == "step.finished")'

What jobs print and the summary go to stdout, the rest to stderr. With --json: one event a line, then the run document.`

interface RunFlags extends SecretOptions, EgressFlags {
  readonly event: string
  readonly payload?: string
  readonly job?: string
  readonly matrix: readonly string[]
  readonly input: readonly string[]
  readonly var: readonly string[]
  readonly env: readonly string[]
  readonly limit: readonly string[]
  readonly image: readonly string[]
  readonly isolation?: IsolationKind
  readonly source?: 'read-only'
  readonly jobs: number
  readonly list?: true
  readonly dryRun?: true
  readonly json?: true
  readonly state?: string
}

export function registerRun(program: Command, context: Context): void {
  const command = program
    .command('run')
    .description('Run workflows, each job in a sandbox of its own.')
    .argument('[file...]', 'workflow files, or names of those in .github/workflows (default: all there that the event triggers)')
    .option('--event <name>', 'the event that happened', 'push')
    .option('--payload <file>', "the event's payload, a JSON object")
    .option('--job <id>', 'only this job and what it needs')
    .option('--matrix <name=value>', 'only matching combinations; may be repeated', collect, [])
    .option('--input <name=value>', 'an input of workflow_dispatch; may be repeated', collect, [])
    .option('--var <name=value>', 'a value of the vars context; may be repeated', collect, [])
    .option('--jobs <number>', 'jobs at a time', parseJobs, availableParallelism())
    .option('--list', 'list workflows and jobs, start nothing')
    .option('--dry-run', 'show what would run, step by step, start nothing')
    .option('--json', 'events and the run document as JSON lines')
  addSandboxOptions(command)
  addEgressOptions(command)
  addAccessOption(command)
  command.option('--image <label=reference>', 'the image of jobs whose runs-on is that label; may be repeated', collect, [])
  addLaterOptions(command, ['--policy', '--artifacts', '--actions-dir'])
  command.addHelpText('after', EXAMPLES).action((files: string[], flags: RunFlags) => run(files, flags, context))
}

async function run(files: readonly string[], flags: RunFlags, context: Context): Promise<void> {
  if (flags.list === true && flags.dryRun === true) throw new UsageError('USAGE', '--list and --dry-run exclude each other')
  if (flags.list !== true && flags.dryRun !== true) await context.becomeOwnRoot(ExitCode.guaranteeMissing)
  let note = (line: string): void => context.stderr.write(`${line}\n`)
  using interrupt = createInterrupt(context.signals, (line) => note(line))
  const options = readOptions(files, flags, context, interrupt)
  const agent = await context.loadAgent()
  if (flags.list === true || flags.dryRun === true) {
    const preview = await agent.preview(options)
    const style = createStyle(context.stdout.isTerminal && context.config.allowsColor)
    context.stdout.write(flags.json === true ? `${jsonText(preview)}\n` : renderPreview(preview, style, { steps: flags.dryRun === true }))
    return
  }
  const view = createView(context, flags.json === true)
  note = (line) => view.note(line)
  try {
    const document = await agent.run(options, view)
    view.close()
    printDocument(document, flags, context)
    context.exitCode = document.exitCode
  } finally {
    view.close()
  }
}

function readOptions(files: readonly string[], flags: RunFlags, context: Context, interrupt: Interrupt): RunOptions {
  const repository = findRepository(context.workingDirectory)
  return {
    stateDirectory: stateDirectoryOf(flags, context.config.stateDirectory),
    repository,
    files: files.map((file) => resolveWorkflowFile(file, context.workingDirectory, repository)),
    event: flags.event,
    payload: flags.payload === undefined ? null : readPayload(flags.payload),
    job: flags.job ?? null,
    matrix: parseKeyValues('--matrix', flags.matrix),
    inputs: parseKeyValues('--input', flags.input),
    vars: parseKeyValues('--var', flags.var),
    env: parseEnv('--env', flags.env),
    images: lowerCased(parseKeyValues('--image', flags.image)),
    limits: parseLimits(flags.limit),
    secrets: readSecrets(flags, context.secrets),
    egress: readEgress(flags, context),
    isolation: flags.isolation ?? null,
    source: flags.source ?? null,
    jobsMax: flags.jobs,
    interrupt,
  }
}

/** Labels know no case. */
function lowerCased(images: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(images).map(([label, reference]) => [label.toLowerCase(), reference]))
}

function printDocument(document: RunDocument, flags: RunFlags, { stdout, stderr, config }: Context): void {
  if (flags.json === true) {
    stdout.write(`${jsonText(document)}\n`)
    return
  }
  const style = createStyle(stdout.isTerminal && config.allowsColor)
  // The live view has shown the steps of each job as it ended.
  const isLive = stdout.isTerminal && stderr.isTerminal && config.allowsRepaint
  stdout.write(`\n${renderSummary(document, style, { steps: !isLive })}`)
}
