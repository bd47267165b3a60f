// SPDX-License-Identifier: Apache-2.0
import type { CheckedPayload } from '@sallyport/agent'
import { ExitCode } from '@sallyport/core'
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { addStateOption, stateDirectoryOf } from '../options/shared.ts'
import { oneLine } from '../terminal/sanitize.ts'
import { createStyle, type Style } from '../terminal/style.ts'
import { renderTable } from '../terminal/table.ts'

const EXAMPLES = `
Examples:
  sallyport audit payload 20261122-2015

What a run printed, who called it and events that are too large lie beside the log, which holds commitments to them. kept: it is what the log
commits to. erased: it is gone, and the log says so. different, missing: somebody changed or removed it. Exit code 1 for those two.`

interface Flags {
  readonly state?: string
  readonly json?: true
}

export function registerAuditPayload(audit: Command, context: Context): void {
  const command = audit
    .command('payload')
    .argument('<run>', 'id, or its beginning')
    .description('Compare what lies beside the log, such as the output of steps, with what the log commits to.')
    .option('--json', 'one JSON document')
  addStateOption(command)
  command.addHelpText('after', EXAMPLES).action((run: string, flags: Flags) => checkPayloads(run, flags, context))
}

async function checkPayloads(run: string, flags: Flags, context: Context): Promise<void> {
  const { stdout, config } = context
  const { retention } = await context.loadAgent()
  const checked = await retention.payloads(stateDirectoryOf(flags, config.stateDirectory), run)
  context.exitCode = checked.every(isRight) ? ExitCode.success : ExitCode.jobFailed
  if (flags.json === true) return stdout.write(`${JSON.stringify(checked)}\n`)
  if (checked.length === 0) return stdout.write('nothing of this run lies beside the log\n')
  const style = createStyle(stdout.isTerminal && config.allowsColor)
  stdout.write(renderTable(checked.map((payload) => rowOf(payload, style))))
}

function isRight({ state }: CheckedPayload): boolean {
  return state === 'kept' || state === 'erased'
}

function rowOf(payload: CheckedPayload, style: Style): readonly string[] {
  const { index, job, step, class: kept, bytes, state } = payload
  const place = [job, step].filter((part) => part !== null).join(' | ')
  return [isRight(payload) ? style.good(state) : style.bad(state), kept, `entry ${index}`, `${bytes} bytes`, oneLine(place)]
}
