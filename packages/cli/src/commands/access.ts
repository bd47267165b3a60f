// SPDX-License-Identifier: Apache-2.0
import { join, relative, resolve } from 'node:path'
import type { AccessReplay, LearnedAccess } from '@sallyport/agent'
import { ExitCode } from '@sallyport/core'
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { type PlaceFlags, placeOf } from '../options/access-place.ts'
import { addOperatorOption, fileOf } from '../options/egress.ts'
import { writeOutputFile } from '../options/output-file.ts'
import { addStateOption } from '../options/shared.ts'
import { renderReview } from '../terminal/review.ts'
import { oneLine } from '../terminal/sanitize.ts'
import { createStyle, type Style } from '../terminal/style.ts'
import { renderTable } from '../terminal/table.ts'
import { UsageError } from '../usage-error.ts'

const EXAMPLES = `
Examples:
  sallyport run --egress observe; sallyport access learn --write --trust; sallyport run
  sallyport access learn 20261122-2015 -o access.yml       the smallest file that covers this run
  sallyport access replay access.yml                       would it have sufficed for the latest run?
  sallyport access check                                   every problem of sallyport.yml
  sallyport access explain --job build registry.example.test:443

Exit codes: replay 0 the file suffices, 1 it does not; explain 0 allowed, 1 refused; 2 bad usage or an invalid file.`

interface LearnFlags extends PlaceFlags {
  readonly output?: string
  readonly write?: true
  readonly force?: true
  readonly trust?: true
  readonly json?: true
}

interface ExplainFlags extends PlaceFlags {
  readonly job: string
  readonly step?: string
  readonly method?: string
  readonly path?: string
  readonly json?: true
}

export function registerAccess(program: Command, context: Context): void {
  const access = program
    .command('access')
    .description('What jobs may reach: learn it, check it, explain it.')
    .addHelpText('after', EXAMPLES)
  const learn = access
    .command('learn')
    .argument('[run...]', 'ids of runs, or their beginnings (default: the latest run)')
    .description('Write the smallest access file that covers what runs did.')
    .option('-o, --output <file>', 'write it there (default: to stdout)')
    .option('--write', 'write it as sallyport.yml of this repository')
    .option('--force', 'replace a file that exists')
    .option('--trust', 'approve what was written')
    .option('--json', 'one JSON document')
  withPlace(learn).action((runs: string[], flags: LearnFlags) => learnAccess(runs, flags, context))
  const replay = access
    .command('replay')
    .argument('<file>', 'an access file')
    .argument('[run...]', 'ids of runs, or their beginnings (default: the latest run)')
    .description('Whether a file would have allowed what runs did.')
    .option('--json', 'one JSON document')
  withPlace(replay).action((file: string, runs: string[], flags: PlaceFlags & { json?: true }) => replayAccess(file, runs, flags, context))
  const check = access
    .command('check')
    .argument('[file]', 'an access file (default: sallyport.yml of this repository)')
    .description('List every problem of an access file, or what it asks for.')
    .option('--json', 'one JSON document')
  withPlace(check).action((file: string | undefined, flags: PlaceFlags & { json?: true }) => checkAccess(file, flags, context))
  const explain = access
    .command('explain')
    .argument('<target...>', 'HOST[:PORT], after an access file unless sallyport.yml of this repository is meant')
    .usage('[options] [FILE] HOST[:PORT]')
    .description('Say which rule decides about a destination.')
    .requiredOption('--job <id>', 'for this job')
    .option('--step <id>', "and this step of it (the step's id in the workflow)")
    .option('--method <method>', 'a request with this HTTP method')
    .option('--path <path>', 'a request to this path')
    .option('--json', 'one JSON document')
  withPlace(explain).action((words: string[], flags: ExplainFlags) => explainAccess(words, flags, context))
}

function withPlace(command: Command): Command {
  addOperatorOption(command)
  addStateOption(command)
  return command
}

async function learnAccess(runs: readonly string[], flags: LearnFlags, context: Context): Promise<void> {
  const { stdout, stderr } = context
  if (flags.write === true && flags.output !== undefined) throw new UsageError('USAGE', '--write and -o exclude each other')
  const place = placeOf(flags, context)
  const target = flags.write === true ? join(place.repository, 'sallyport.yml') : fileOf(flags.output, context.workingDirectory)
  if (flags.trust === true && target === null)
    throw new UsageError('USAGE', '--trust approves what is written: it goes with --write or -o FILE')
  const agent = await context.loadAgent()
  const learned = await agent.access.learn(place, runs)
  if (target !== null) writeOutputFile(target, learned.text, { force: flags.force === true })
  if (flags.json !== true && target === null) stdout.write(learned.text)
  printLearned(learned, target, context)
  if (flags.trust === true) {
    const written = { ...place, accessFile: target }
    const review = await agent.access.review(written)
    stderr.write(renderReview(review, createStyle(false), { diff: false }))
    await agent.access.approve(written, review.digest)
    stderr.write('sallyport: approved\n')
  }
  if (flags.json === true) stdout.write(`${JSON.stringify({ ...learned, file: target })}\n`)
}

function printNotices(notices: readonly string[], { stderr }: Context): void {
  for (const notice of notices) stderr.write(`sallyport: notice: ${oneLine(notice, 1000)}\n`)
}

function printLearned({ runs, notices }: LearnedAccess, target: string | null, context: Context): void {
  const { stderr, workingDirectory } = context
  printNotices(notices, context)
  const where = target === null ? 'above' : `in ${oneLine(relative(workingDirectory, target))}`
  stderr.write(`sallyport: what run ${runs.map((run) => oneLine(run)).join(', ')} did is covered by the file ${where}\n`)
}

async function replayAccess(
  file: string,
  runs: readonly string[],
  flags: PlaceFlags & { readonly json?: true },
  context: Context,
): Promise<void> {
  const { stdout, config } = context
  const agent = await context.loadAgent()
  const replay = await agent.access.replay({ ...placeOf(flags, context), accessFile: resolve(context.workingDirectory, file) }, runs)
  stdout.write(
    flags.json === true ? `${JSON.stringify(replay)}\n` : renderReplay(replay, createStyle(stdout.isTerminal && config.allowsColor)),
  )
  if (flags.json !== true) printNotices(replay.notices, context)
  context.exitCode = replay.sufficient ? ExitCode.success : ExitCode.jobFailed
}

function renderReplay({ sufficient, runs, missing, unused }: AccessReplay, style: Style): string {
  const of = runs.map((run) => oneLine(run)).join(', ')
  const head = sufficient
    ? `${style.good('sufficient')}: it allows all that run ${of} did\n`
    : `${style.bad('not sufficient')}: it refuses some of what run ${of} did\n`
  const missingRows = missing.map(({ job, step, target, reason, remedy }) => [
    `  ${oneLine(job)}${step === null ? '' : ` | ${oneLine(step)}`}`,
    oneLine(target),
    oneLine(remedy ?? reason, 500),
  ])
  const unusedRows = unused.map(({ rule, text }) => [`  ${oneLine(rule)}`, oneLine(text)])
  return [
    head,
    missing.length === 0 ? '' : `${style.bold('Missing')}\n${renderTable(missingRows)}`,
    unused.length === 0 ? '' : `${style.bold('Not used by it')}\n${renderTable(unusedRows)}`,
  ].join('')
}

async function checkAccess(file: string | undefined, flags: PlaceFlags & { readonly json?: true }, context: Context): Promise<void> {
  const { stdout, config, workingDirectory } = context
  const agent = await context.loadAgent()
  const place = placeOf(flags, context)
  const review = await agent.access.review(file === undefined ? place : { ...place, accessFile: resolve(workingDirectory, file) })
  stdout.write(
    flags.json === true
      ? `${JSON.stringify({ valid: true, ...review })}\n`
      : `${renderReview(review, createStyle(stdout.isTerminal && config.allowsColor), { diff: false })}No problems\n`,
  )
}

async function explainAccess(words: readonly string[], flags: ExplainFlags, context: Context): Promise<void> {
  const { stdout, config, workingDirectory } = context
  if (words.length > 2)
    throw new UsageError('USAGE', `access explain takes one destination, not ${words.length - 1}`, { hint: 'Write [FILE] HOST[:PORT]' })
  const target = words.at(-1) ?? ''
  const place = { ...placeOf(flags, context), accessFile: fileOf(words.length > 1 ? words[0] : undefined, workingDirectory) }
  const { job, step = null, method = null, path = null } = flags
  const agent = await context.loadAgent()
  const explanation = await agent.access.explain(place, { job, step, target, method, path })
  const style = createStyle(stdout.isTerminal && config.allowsColor)
  const head = explanation.allowed ? style.good('allowed') : style.bad('refused')
  stdout.write(
    flags.json === true
      ? `${JSON.stringify(explanation)}\n`
      : `${head}\n${explanation.lines.map((line) => `  ${oneLine(line, 1000)}\n`).join('')}`,
  )
  context.exitCode = explanation.allowed ? ExitCode.success : ExitCode.jobFailed
}
