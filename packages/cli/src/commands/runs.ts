// SPDX-License-Identifier: Apache-2.0
import type { RunDocument } from '@sallyport/agent'
import { type EventEnvelope, formatDuration } from '@sallyport/core'
import type { StoredRun } from '@sallyport/store'
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { addStateOption, stateDirectoryOf } from '../options/shared.ts'
import { type LogPiece, readPieces } from '../runs-log.ts'
import { observedMark } from '../terminal/doors.ts'
import { RunModel } from '../terminal/run-model.ts'
import { jsonText, oneLine, Sanitizer } from '../terminal/sanitize.ts'
import { createStyle, signOf } from '../terminal/style.ts'
import { renderSummary } from '../terminal/summary.ts'
import { renderTable } from '../terminal/table.ts'
import { UsageError } from '../usage-error.ts'

const EXAMPLES = `
Examples:
  sallyport runs ls
  sallyport runs show 20261122-2015              the run that this begins only
  sallyport runs log 20261122-2015 --job build --step 3`

interface Flags {
  readonly json?: true
  readonly state?: string
}

interface LogFlags extends Flags {
  readonly job?: string
  readonly step?: string
}

export function registerRuns(program: Command, context: Context): void {
  const runs = program.command('runs').description('Show recorded runs.').addHelpText('after', EXAMPLES)
  const ls = runs.command('ls').description('List runs, newest first.').option('--json', 'one JSON document')
  addStateOption(ls)
  ls.action((flags: Flags) => list(flags, context))
  const show = runs
    .command('show')
    .argument('<run>', 'id, or its beginning')
    .description('What a run did.')
    .option('--json', 'the run document')
  addStateOption(show)
  show.action((id: string, flags: Flags) => showRun(id, flags, context))
  const log = runs
    .command('log')
    .argument('<run>', 'id, or its beginning')
    .description('What the jobs of a run printed.')
    .option('--job <name>', 'only this job (its id, key or name)')
    .option('--step <id>', 'only this step (its id or name)')
    .option('--json', 'JSON lines { job, step, name, text }')
  addStateOption(log)
  log.action((id: string, flags: LogFlags) => showLog(id, flags, context))
}

async function openRun(id: string, flags: Flags, { loadStore, config }: Context): Promise<StoredRun> {
  return (await loadStore(stateDirectoryOf(flags, config.stateDirectory))).open(id)
}

async function list(flags: Flags, { loadStore, config, stdout }: Context): Promise<void> {
  const summaries = await (await loadStore(stateDirectoryOf(flags, config.stateDirectory))).list()
  if (flags.json === true) return stdout.write(`${jsonText(summaries)}\n`)
  if (summaries.length === 0) return stdout.write('No runs are recorded\n')
  const style = createStyle(stdout.isTerminal && config.allowsColor)
  const rows = summaries.map(({ id, startedAt, durationMs, conclusion, workflows, observed }) => [
    `${signOf(conclusion, style)} ${id}`,
    oneLine(startedAt.slice(0, 19).replace('T', ' ')),
    durationMs === null ? '' : formatDuration(durationMs),
    oneLine(conclusion) + (observed ? style.warn(', observed') : ''),
    oneLine(workflows.join(', ')),
  ])
  stdout.write(renderTable([['  RUN', 'STARTED (UTC)', 'TOOK', 'CONCLUSION', 'WORKFLOWS'], ...rows]))
}

async function showRun(id: string, flags: Flags, context: Context): Promise<void> {
  const { stdout, config } = context
  const run = await openRun(id, flags, context)
  const document = run.document
  if (document === null) return showUnfinished(run, flags, context)
  if (flags.json === true) return stdout.write(`${jsonText(document)}\n`)
  // Written by us, and read back from a directory that only we can write to.
  stdout.write(renderSummary(document as unknown as RunDocument, createStyle(stdout.isTerminal && config.allowsColor), { steps: true }))
}

/** Without a document the events tell how far it came. */
async function showUnfinished(run: StoredRun, flags: Flags, { stdout, stderr, config }: Context): Promise<void> {
  const model = new RunModel()
  let observed = false
  for await (const event of run.events()) {
    model.apply(event)
    observed ||= isObserving(event)
  }
  const jobs = model.jobs.map(({ name, state, steps }) => ({
    name,
    state,
    steps: steps.map((step) => ({ id: step.id, name: step.name, state: step.state })),
  }))
  if (run.tornBytes > 0) stderr.write(`sallyport: the last ${run.tornBytes} bytes of the journal are torn and were left out\n`)
  if (flags.json === true) return stdout.write(`${jsonText({ id: run.id, conclusion: run.state, observed, jobs })}\n`)
  const style = createStyle(stdout.isTerminal && config.allowsColor)
  const rows = jobs.flatMap((job) => [[job.name, job.state], ...job.steps.map((step) => [`  ${step.name}`, step.state])])
  stdout.write(`${style.warn(run.state)}: ${run.id}\n${observed ? `${observedMark(style)}\n` : ''}${renderTable(rows)}`)
}

function isObserving({ type, data }: EventEnvelope): boolean {
  return type === 'run.started' && data['egress'] === 'observe'
}

async function showLog(id: string, flags: LogFlags, context: Context): Promise<void> {
  const run = await openRun(id, flags, context)
  const model = new RunModel()
  const events: EventEnvelope[] = []
  for await (const event of run.events()) {
    model.apply(event)
    if (isObserving(event)) context.stderr.write(`${observedMark(createStyle(false))}\n`)
    if (event.type === 'step.log' || event.type === 'log.opened') events.push(event)
  }
  const pieces = readPieces(events, model).filter((piece) => matches(piece, flags))
  if (pieces.length === 0 && (flags.job !== undefined || flags.step !== undefined)) refuseSelection(model)
  for (const piece of pieces) await printPiece(run, piece, flags, context)
}

function matches({ job, jobName, step, stepName }: LogPiece, flags: LogFlags): boolean {
  const jobMatches = flags.job === undefined || [job, jobName, job.replace(/ \(.*$/s, '')].includes(flags.job)
  return jobMatches && (flags.step === undefined || [step, stepName].includes(flags.step))
}

function refuseSelection(model: RunModel): never {
  const known = model.jobs.map(({ key, steps }) => `${oneLine(key)}: ${steps.map(({ id }) => id).join(', ')}`)
  throw new UsageError('USAGE', 'No output of such a job and step is recorded', {
    hint: `Jobs and their steps are ${known.slice(0, 20).join('; ')}`,
  })
}

async function printPiece(run: StoredRun, piece: LogPiece, flags: LogFlags, { stdout, stderr, config }: Context): Promise<void> {
  const decoder = new TextDecoder()
  const sanitizer = new Sanitizer(config.allowsColor)
  const isRaw = !stdout.isTerminal
  if (flags.json !== true) stderr.write(`▶ ${piece.jobName} | ${piece.stepName}\n`)
  for await (const bytes of run.readLog(piece.file, piece.from, piece.to)) {
    if (stdout.isBroken) return
    if (flags.json === true)
      stdout.write(
        `${jsonText({ job: piece.job, step: piece.step, name: piece.stepName, text: decoder.decode(bytes, { stream: true }) })}\n`,
      )
    else stdout.write(isRaw ? bytes : sanitizer.write(decoder.decode(bytes, { stream: true })))
  }
  if (!isRaw && flags.json !== true) stdout.write(sanitizer.write(decoder.decode()) + sanitizer.end())
}
