// SPDX-License-Identifier: Apache-2.0
import type { LogEntry } from '@sallyport/audit-log'
import type { PayloadStore } from '@sallyport/store'
import type { RetentionClass } from './contract.ts'

const CALLER_CLASS: RetentionClass = 'caller'

/** Who called, for an entry. The name is personal, and lies beside the log, unless it is nobody in particular. */
export async function callerFacts(
  payloads: PayloadStore,
  actor: string,
  { at, source }: Pick<LogEntry, 'at' | 'source'>,
): Promise<Pick<LogEntry, 'data' | 'private'>> {
  if (actor === 'root') return { data: { actor } }
  return { data: {}, private: await payloads.put([Buffer.from(JSON.stringify({ actor }))], { class: CALLER_CLASS, at, source, job: null }) }
}
