// SPDX-License-Identifier: Apache-2.0
import type { OperatorLog } from '@sallyport/agent'
import { SallyportError } from '@sallyport/core'
import type { WrittenStore } from '@sallyport/secrets'
import type { Context } from './context.ts'

/** Entries that get larger are kept beside the log, where nobody who looks for a name finds them. */
const NAMES_PER_ENTRY = 64

/** What happens to which secrets; values have no place in it. */
export interface SecretEvent {
  readonly type: string
  readonly secrets: readonly string[]
  readonly data?: Readonly<Record<string, unknown>>
}

export interface SecretEvents {
  /** In the log, for good, when it resolves. `written`: of a change of the store, which happens afterwards. */
  record(event: SecretEvent, written?: WrittenStore): Promise<void>
}

/** Whatever `work` does with secrets stands in the log before it happens; that it failed then stands there after it. */
export async function recordingSecrets<T>(
  stateDirectory: string,
  { loadAgent }: Context,
  work: (events: SecretEvents) => Promise<T>,
): Promise<T> {
  const log = await (await loadAgent()).audit.operatorLog(stateDirectory)
  let hasRecorded = false
  const record: SecretEvents['record'] = async ({ type, secrets, data }, written) => {
    for (let at = 0; at === 0 || at < secrets.length; at += NAMES_PER_ENTRY) {
      const names = secrets.slice(at, at + NAMES_PER_ENTRY)
      await log.record(type, { ...data, secrets: names, ...(written !== undefined && { store: written }) })
      hasRecorded = true
    }
  }
  try {
    const result = await work({ record })
    await log.close()
    return result
  } catch (error) {
    if (hasRecorded) await recordFailure(log, error)
    throw error
  }
}

/** What cannot be recorded any more does not hide what it was about. */
async function recordFailure(log: OperatorLog, error: unknown): Promise<void> {
  try {
    await log.record('secret.failed', { code: error instanceof SallyportError ? error.code : 'INTERNAL' })
    await log.close()
  } catch {
    // The source stays without an end, which is what a reader of the log sees then
  }
}
