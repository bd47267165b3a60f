// SPDX-License-Identifier: Apache-2.0
import { type LogEntry, SOURCE_CLOSED } from '@sallyport/audit-log'

/** How much somebody should care; each format has its own number for it. */
export type Severity = 'info' | 'notice' | 'warning'

const BY_TYPE: Readonly<Record<string, Severity>> = {
  'door.refused': 'notice',
  'door.alert': 'warning',
  'job.refused': 'notice',
  'limit.hit': 'notice',
  'secret.finding': 'warning',
  'step.warning': 'notice',
}

export function severityOf(entry: LogEntry | null): Severity {
  // Something is in the log that we did not write
  if (entry === null) return 'warning'
  if (entry.type === SOURCE_CLOSED && hasDrops(entry.data?.['dropped'])) return 'warning'
  return BY_TYPE[entry.type] ?? 'info'
}

function hasDrops(dropped: unknown): boolean {
  return typeof dropped === 'object' && dropped !== null && Object.values(dropped).some((count) => count !== 0)
}
