// SPDX-License-Identifier: Apache-2.0
import { formatVerifierKey, parseCheckpoint, parseNote } from '@sallyport/audit-log'
import { readPublicState } from '@sallyport/signer'
import { AgentError } from '../agent-error.ts'
import { type AuditPlaces, auditPlaces } from './audit-places.ts'
import type { PublishedLog } from './contract.ts'
import { readLogIdentity } from './log-identity.ts'
import { appendAndPublish } from './open-log.ts'
import { publishedNote, witnessesOf } from './published.ts'
import { readWitnessPolicy } from './witness-policy.ts'

/** A run that publishes takes 3 s for witnesses that do not answer, and others may wait for it, too. */
const WAIT_MS = 20_000

/**
 * Publishes all that is durable, also the same tree with new cosignatures: they have a time, so that a log which was stopped does not look like one of a
 * host on which nothing happens.
 *
 * @throws AgentError AUDIT_LOG_NOT_FOUND, AUDIT_LOG_UNWRITABLE, AUDIT_POLICY_INVALID; WitnessError WITNESS_QUORUM_MISSED; StoreError LOG_LOCKED,
 * SignerError SIGNER_LOCKED while another process publishes
 */
export async function publishLog(stateDirectory: string): Promise<PublishedLog> {
  const places = await assertLog(stateDirectory)
  const options = { purpose: 'interval', waitMs: WAIT_MS, renews: true } as const
  const { unpublished } = await appendAndPublish(stateDirectory, async () => undefined, options)
  if (unpublished !== null) throw unpublished
  const [policy, note, state] = await Promise.all([
    readWitnessPolicy(stateDirectory, 'interval'),
    publishedNote(places),
    readPublicState(places.signer),
  ])
  const key = state?.epochs.at(-1)?.key
  if (note === null || key === undefined) throw new TypeError('a log that was published has a checkpoint and a key')
  const { origin, size } = parseCheckpoint(parseNote(note).text)
  return { origin, size, key: formatVerifierKey(key), witnesses: policy === null ? null : await witnessesOf(places, note, policy) }
}

/** Where it is. @throws AgentError AUDIT_LOG_NOT_FOUND */
export async function assertLog(stateDirectory: string): Promise<AuditPlaces> {
  const places = auditPlaces(stateDirectory)
  if ((await readLogIdentity(places)) !== null) return places
  throw new AgentError('AUDIT_LOG_NOT_FOUND', `Cannot find a log in "${places.log}"`, {
    hint: 'The first run or exec begins it; name its state directory with --state DIR',
  })
}
