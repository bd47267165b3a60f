// SPDX-License-Identifier: Apache-2.0
import type { CheckedPayload } from '@sallyport/agent'
import { ExitCode } from '@sallyport/core'
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { addStateOption, stateDirectoryOf } from '../options/shared.ts'
import { jsonText, oneLine } from '../terminal/sanitize.ts'
import { createStyle, type Style } from '../terminal/style.ts'
import { renderTable } from '../terminal/table.ts'

const EXAMPLES = `
Examples:
  sallyport audit payload 20261122-2015
  sallyport audit payload            of all runs, and of what people did at the command line: what is not as it was

What a run printed, its document (run.json), who called it and events that are too large lie beside the log, which holds commitments to them; the
journal of the run, which "runs show" reads, has the same events as the log. kept: it is what the log says. erased: it is gone, and the log says so.
different, missing: somebody changed or removed it; the entry is the first that the journal does not agree with. unlogged: a document that says that
its run could not be logged to the end, though it was; nothing in it can be compared. Exit code 1 for those three.`

interface Flags {
  readonly state?: string
  readonly json?: true
}

export function registerAuditPayload(audit: Command, context: Context): void {
  const command = audit
    .command('payload')
    .argument('[run]', 'id, or its beginning (default: all that the log is about)')
    .description('Compare what lies beside the log, such as the output of steps, the journal and the document, with the log.')
    .option('--json', 'one JSON document; without a run, JSON lines')
  addStateOption(command)
  command.addHelpText('after', EXAMPLES).action((run: string | undefined, flags: Flags) => checkPayloads(run, flags, context))
}

async function checkPayloads(run: string | undefined, flags: Flags, context: Context): Promise<void> {
  const { retention } = await context.loadAgent()
  const payloads = retention.payloads(stateDirectoryOf(flags, context.config.stateDirectory), run ?? null)
  const isSound = run === undefined ? await printAll(payloads, flags, context) : await printRun(payloads, flags, context)
  context.exitCode = isSound ? ExitCode.success : ExitCode.jobFailed
}

async function printRun(payloads: AsyncIterable<CheckedPayload>, flags: Flags, { stdout, config }: Context): Promise<boolean> {
  const checked = await Array.fromAsync(payloads)
  const style = createStyle(stdout.isTerminal && config.allowsColor)
  if (flags.json === true) stdout.write(`${jsonText(checked)}\n`)
  else if (checked.length === 0) stdout.write('nothing of this run lies beside the log\n')
  else stdout.write(renderTable(checked.map((payload) => rowOf(payload, style))))
  return checked.every(isRight)
}

/** However many there are: each for itself, and of those that are right only how many they are. */
async function printAll(payloads: AsyncIterable<CheckedPayload>, flags: Flags, { stdout, config }: Context): Promise<boolean> {
  const style = createStyle(stdout.isTerminal && config.allowsColor)
  const counts = { kept: 0, erased: 0, different: 0, unlogged: 0, missing: 0 }
  for await (const payload of payloads) {
    if (stdout.isBroken) break
    counts[payload.state] += 1
    if (flags.json === true) stdout.write(`${jsonText(payload)}\n`)
    else if (!isRight(payload)) stdout.write(`${rowOf(payload, style).concat(oneLine(payload.source)).join('  ')}\n`)
  }
  const { kept, erased, different, unlogged, missing } = counts
  const more = unlogged === 0 ? '' : `, ${unlogged} unlogged`
  if (flags.json !== true) stdout.write(`${kept} kept, ${erased} erased, ${different} different, ${missing} missing${more}\n`)
  return different + missing + unlogged === 0
}

function isRight({ state }: CheckedPayload): boolean {
  return state === 'kept' || state === 'erased'
}

function rowOf(payload: CheckedPayload, style: Style): readonly string[] {
  const { index, type, job, step, class: kept, bytes, state } = payload
  const place = ['journal', 'document'].includes(type) ? type : [job, step].filter((part) => part !== null).join(' | ')
  return [isRight(payload) ? style.good(state) : style.bad(state), kept, `entry ${index}`, `${bytes} bytes`, oneLine(place)]
}
