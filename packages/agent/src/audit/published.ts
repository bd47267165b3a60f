// SPDX-License-Identifier: Apache-2.0
// What readers see of a state directory's log.
import { join } from 'node:path'
import { evaluatePolicy, type Policy, parseCheckpoint, parseNote } from '@sallyport/audit-log'
import { readPublicState } from '@sallyport/signer'
import { directoryTileSource } from '@sallyport/store'
import type { AuditPlaces } from './audit-places.ts'
import { ofSigner } from './witness-policy.ts'

/** Null before the first checkpoint. */
export function publishedNote({ log }: AuditPlaces): Promise<Uint8Array | null> {
  return directoryTileSource(join(log, 'log')).read('checkpoint')
}

/** Whether readers see a log of `size` entries, cosigned as the policy asks. @throws AuditLogError for what is no checkpoint */
export async function isPublished(places: AuditPlaces, size: number, policy: Policy | null): Promise<boolean> {
  const bytes = await publishedNote(places)
  if (bytes === null) return false
  const note = parseNote(bytes)
  if (parseCheckpoint(note.text).size < size) return false
  return policy === null || (await witnessesOf(places, bytes, policy)) !== null
}

/** Names of the witnesses that have cosigned; null where they are not those that the policy asks for. */
export async function witnessesOf({ signer }: AuditPlaces, note: Uint8Array, policy: Policy): Promise<readonly string[] | null> {
  const state = await readPublicState(signer)
  const decision = evaluatePolicy(ofSigner(policy, state?.epochs ?? []), parseNote(note))
  return decision.isAccepted ? decision.witnesses.map(({ name }) => name) : null
}
