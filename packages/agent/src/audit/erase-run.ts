// SPDX-License-Identifier: Apache-2.0
import { quote } from '@sallyport/core'
import { holdOn, type LegalHold } from '@sallyport/store'
import { AgentError } from '../agent-error.ts'
import { changeLog } from './change-session.ts'
import type { RetentionClass } from './contract.ts'
import { findLoggedRun } from './logged-run.ts'
import type { EraseReport, RetentionCommands } from './retention-contract.ts'
import { runSpans, UNKNOWN_SPAN } from './run-spans.ts'

/** What lies beside the log, and so can go. */
const ERASABLE: readonly RetentionClass[] = ['caller', 'output', 'record']

/**
 * Destroys what is kept of a run beside the log; what stands in the log stays.
 * @throws AgentError AUDIT_HELD, AUDIT_RUN_ACTIVE
 */
export async function eraseRun(
  stateDirectory: string,
  prefix: string,
  { classes: asked, reason }: Parameters<RetentionCommands['erase']>[2],
): Promise<EraseReport> {
  const run = await findLoggedRun(stateDirectory, prefix)
  const classes = asked.length === 0 ? ERASABLE : asked
  return changeLog(stateDirectory, async (session) => {
    await assertMayGo(stateDirectory, run, { classes, holds: session.holds })
    const recorded = await session.make({
      type: 'payload.erased',
      cause: 'request',
      reason,
      sources: [`run/${run}`],
      classes,
      before: null,
    })
    return { run, classes, ...recorded }
  })
}

async function assertMayGo(
  stateDirectory: string,
  run: string,
  { classes, holds }: { readonly classes: readonly RetentionClass[]; readonly holds: readonly LegalHold[] },
): Promise<void> {
  const source = `run/${run}`
  const span = (await runSpans(stateDirectory)).get(source) ?? UNKNOWN_SPAN
  if (span.isRunning)
    throw new AgentError('AUDIT_RUN_ACTIVE', `Cannot erase what is kept of run "${run}": it is still running`, {
      hint: 'Wait until it has ended',
    })
  // With its record goes what it printed
  const going: readonly RetentionClass[] = classes.includes('record') ? [...classes, 'output'] : classes
  const hold = going.map((erased) => holdOn({ class: erased, source, ...span }, holds)).find((found) => found !== null) ?? null
  if (hold === null) return
  throw new AgentError('AUDIT_HELD', `Cannot erase what is kept of run "${run}": the hold "${hold.id}" keeps it, ${quote(hold.reason)}`, {
    hint: `Once that is over: sallyport audit hold rm ${hold.id} --reason TEXT`,
  })
}
