// SPDX-License-Identifier: Apache-2.0
import type { Recorded, RetentionClass } from '@sallyport/agent'
import type { Command } from 'commander'
import { oneLine } from '../terminal/sanitize.ts'
import type { Sink } from '../terminal/sink.ts'
import { UsageError } from '../usage-error.ts'

/** An entry of the log has to hold it. */
const REASON_LENGTH_MAX = 1000

const CLASSES: readonly RetentionClass[] = ['caller', 'output', 'record', 'entry']

export function addReasonOption(command: Command): void {
  command.requiredOption('--reason <text>', 'why; it stands in the log for good, so name no person', parseReason)
}

function parseReason(text: string): string {
  if (text.trim() !== '' && text.length <= REASON_LENGTH_MAX) return text.toWellFormed()
  throw new UsageError('USAGE', `--reason: it has ${text.length} characters`, { hint: `Write 1 to ${REASON_LENGTH_MAX} of them` })
}

export function parseClass(text: string): RetentionClass {
  const known = CLASSES.find((candidate) => candidate === text)
  if (known !== undefined) return known
  throw new UsageError('USAGE', `--class: there is no class "${text}"`, { hint: `Choose one of ${CLASSES.join(', ')}` })
}

/** On stderr: stdout is what was asked for. */
export function writeNotices(stderr: Sink, { notices }: Pick<Recorded, 'notices'>): void {
  for (const notice of notices) stderr.write(`sallyport: notice: ${oneLine(notice, 1000)}\n`)
}
