// SPDX-License-Identifier: Apache-2.0
import type { SessionRequest } from '../../contract.ts'
import { revokeAccessor } from './revoke.ts'
import type { SessionParts } from './vault-session.ts'

const END_MS = 5000

/** A token that could not be noted is ended: it has made nothing, and does not live longer than the job in any case. */
export async function noteOrEnd({ broker }: SessionParts, accessor: string, { note, mark }: SessionRequest): Promise<void> {
  try {
    await note(accessor)
    mark?.(accessor)
  } catch (error) {
    await revokeAccessor(broker, accessor, AbortSignal.timeout(END_MS)).catch(() => undefined)
    throw error
  }
}
