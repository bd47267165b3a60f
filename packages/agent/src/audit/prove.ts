// SPDX-License-Identifier: Apache-2.0
import { proveEntry } from '@sallyport/audit-log'
import { AgentError } from '../agent-error.ts'
import type { AuditPlace, AuditProof, ShownEntry } from './contract.ts'
import { locateLog, readHead } from './located-log.ts'
import { entriesOf } from './run-range.ts'

/** That an entry of a run is in the log, for somebody who has neither. */
export async function proveRun(place: AuditPlace, run: string, index: number | null): Promise<AuditProof> {
  const log = await locateLog(place)
  const { size, note } = await readHead(log)
  const entry = await findEntry(entriesOf(log.source, size), run, index)
  const proof = await proveEntry({ source: log.source, checkpoint: note, index: entry.index })
  return {
    proof: Buffer.from(proof).toString(),
    run: entry.entry.source.slice('run/'.length),
    index: entry.index,
    size,
    entry: entry.entry,
    key: log.key,
    notices: log.notices,
  }
}

/** @throws AgentError AUDIT_ENTRY_NOT_FOUND */
async function findEntry(entries: AsyncIterable<ShownEntry>, run: string, index: number | null): Promise<ShownEntry> {
  const sources = new Set<string>()
  let found: ShownEntry | null = null
  for await (const shown of entries) {
    if (!shown.entry.source.startsWith(`run/${run}`)) continue
    sources.add(shown.entry.source)
    if (index === null || shown.index === index) found = shown
  }
  if (sources.size > 1)
    throw new AgentError('AUDIT_ENTRY_NOT_FOUND', `Cannot tell which run "${run}" is: ${sources.size} runs in the log begin with it`, {
      hint: 'Write more of the id: sallyport runs ls',
    })
  if (found !== null) return found
  const what = sources.size === 0 ? `run "${run}" in the log` : `entry ${index} of run "${run}" in the log`
  throw new AgentError('AUDIT_ENTRY_NOT_FOUND', `Cannot find ${what}`, { hint: 'See what there is: sallyport audit show' })
}
