// SPDX-License-Identifier: Apache-2.0
import { formatVerifierKey } from '@sallyport/audit-log'
import type { SallyportError } from '@sallyport/core'
import { readPublicState } from '@sallyport/signer'
import { AgentError } from '../agent-error.ts'
import { auditPlaces } from './audit-places.ts'
import { appendAndPublish } from './open-log.ts'
import { readWitnessPolicy } from './witness-policy.ts'

/** Another run publishes: each takes some tens of milliseconds, or 3 s for witnesses that do not answer. */
const WAIT_MS = 10_000

/**
 * Has witnesses cosign all that is durable, where the lease policy of the log names any. Answers with why secrets may not be handed over; null:
 * they may.
 *
 * @throws AgentError AUDIT_LOG_UNWRITABLE, AUDIT_POLICY_INVALID
 */
export async function publishForLease(stateDirectory: string): Promise<AgentError | null> {
  if ((await readWitnessPolicy(stateDirectory, 'lease')) === null) return null
  const { unpublished } = await appendAndPublish(stateDirectory, async () => undefined, { purpose: 'lease', waitMs: WAIT_MS })
  return unpublished === null ? null : unwitnessed(unpublished, await verifierKey(stateDirectory))
}

/** Witnesses have to be given it. */
async function verifierKey(stateDirectory: string): Promise<string> {
  const state = await readPublicState(auditPlaces(stateDirectory).signer)
  const key = state?.epochs.at(-1)?.key
  return key === undefined ? '' : formatVerifierKey(key)
}

function unwitnessed(cause: SallyportError, key: string): AgentError {
  return new AgentError(
    'LEASE_UNWITNESSED',
    `Cannot hand over secrets: the guarantee that their hand-over is witnessed first does not hold: ${cause.message}`,
    {
      cause,
      hint: `${cause.hint ?? 'Run it again'}. Witnesses have to know this log by its key: log ${key}`,
      details: { ...cause.details, guarantee: 'witnessed-lease', verifierKey: key },
    },
  )
}
