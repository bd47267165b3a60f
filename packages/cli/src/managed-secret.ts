// SPDX-License-Identifier: Apache-2.0
// Secrets that live at a manager, for the commands that keep both: `openbao:kv/ci/packages#token`.
import type { ManagedOutcome, ManagedRotation, ManagedSecret, ScheduledSecret } from '@sallyport/agent'
import { SallyportError } from '@sallyport/core'
import { isFieldName } from '@sallyport/secrets'
import type { Context } from './context.ts'
import { fileOf } from './options/egress.ts'
import { formatEvery } from './options/secret-name.ts'
import { stateDirectoryOf } from './options/shared.ts'
import { oneLine } from './terminal/sanitize.ts'
import { UsageError } from './usage-error.ts'

export interface ManagedFlags {
  readonly state?: string
  readonly config?: string
}

/** Null: a name of the embedded store, which has no colon. @throws UsageError */
export function parseManaged(name: string): ManagedSecret | null {
  if (!name.includes(':')) return null
  const [, provider, path = '', field] = /^([a-z][a-z0-9-]{0,62}):([^#\s]{1,512})(?:#(.*))?$/s.exec(name) ?? []
  if (provider !== undefined && (field === undefined || isFieldName(field))) return { provider, path, field: field ?? null }
  throw new UsageError('USAGE', `"${name.slice(0, 80)}" is no secret at a manager`, {
    hint: 'Write PROVIDER:PATH or PROVIDER:PATH#FIELD, such as openbao:kv/ci/packages#token',
  })
}

export async function rotateManaged(
  flags: ManagedFlags,
  context: Context,
  request: Omit<ManagedRotation, 'operatorFile'>,
): Promise<ManagedOutcome> {
  const { secrets } = await context.loadAgent()
  const operatorFile = fileOf(flags.config, context.workingDirectory)
  return secrets.rotateManaged(stateDirectoryOf(flags, context.config.stateDirectory), { ...request, operatorFile })
}

/** Of the operator's schedules: what is overdue, was not rotated to its end, or could not be looked at. */
export async function scheduledDue(flags: ManagedFlags, context: Context): Promise<readonly ScheduledSecret[]> {
  const { secrets } = await context.loadAgent()
  const stateDirectory = stateDirectoryOf(flags, context.config.stateDirectory)
  const all = await secrets.scheduled(stateDirectory, fileOf(flags.config, context.workingDirectory), context.now())
  return all.filter(({ overdue, isPending, error }) => overdue || isPending || error !== null)
}

export type DueOutcome = { readonly name: string } & (
  | { readonly version: string | number | null; readonly isResumed: boolean }
  | { readonly error: string; readonly message: string }
)

/** One after the other: that one of them fails keeps none of the others. */
export async function rotateScheduled(
  due: readonly ScheduledSecret[],
  flags: ManagedFlags,
  context: Context,
  report: ManagedRotation['report'],
): Promise<readonly DueOutcome[]> {
  const outcomes: DueOutcome[] = []
  for (const { name, secret } of due) {
    try {
      const outcome = await rotateManaged(flags, context, { secret, recipe: null, abandon: false, report })
      if ('version' in outcome) outcomes.push({ name, ...outcome })
    } catch (error) {
      if (!(error instanceof SallyportError)) throw error
      outcomes.push({ name, error: error.code, message: error.message })
    }
  }
  return outcomes
}

/** Below the table of the embedded store. */
export function renderScheduled(due: readonly ScheduledSecret[]): string {
  return due.map((each) => `${oneLine(each.name, 600)}  ${stateOf(each)}\n`).join('')
}

function stateOf({ error, isPending, since, everyMs }: ScheduledSecret): string {
  if (error !== null) return `unknown: ${oneLine(error, 500)}`
  if (isPending) return 'its rotation has not ended'
  return `overdue: since ${since ?? ''}, every ${formatEvery(everyMs)}`
}
