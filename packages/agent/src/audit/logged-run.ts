// SPDX-License-Identifier: Apache-2.0
import { createRunStore, StoreError } from '@sallyport/store'
import { AgentError } from '../agent-error.ts'
import { locateLog } from './located-log.ts'
import { entriesOf } from './run-range.ts'
import { visibleLog } from './visible-log.ts'

/** The id that `prefix` begins, of a run that has a record here, or of one that only the log knows any more. @throws AgentError AUDIT_ENTRY_NOT_FOUND */
export async function findLoggedRun(stateDirectory: string, prefix: string): Promise<string> {
  try {
    return (await createRunStore(stateDirectory).open(prefix)).id
  } catch (error) {
    if (!(error instanceof StoreError) || error.code !== 'RUN_NOT_FOUND') throw error
  }
  const log = await locateLog({ stateDirectory, directory: null, key: null })
  const { source, size } = await visibleLog(log)
  const found = new Set<string>()
  for await (const { entry } of entriesOf(source, size, log.minimumIndex))
    if (entry.source.startsWith(`run/${prefix}`)) found.add(entry.source.slice('run/'.length))
  const [run] = found
  if (run !== undefined && found.size === 1) return run
  throw new AgentError('AUDIT_ENTRY_NOT_FOUND', `Cannot tell which run "${prefix}" is: ${found.size} runs in the log begin with it`, {
    hint: 'See which there are: sallyport runs ls, sallyport audit show --type run.started',
  })
}
