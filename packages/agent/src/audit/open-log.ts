// SPDX-License-Identifier: Apache-2.0
import type { CheckpointSigner } from '@sallyport/audit-log'
import { messageOf, SallyportError } from '@sallyport/core'
import { type SignerClient, startSigner } from '@sallyport/signer'
import { type CheckpointCosigner, openTransparencyLog, StoreError, type TransparencyLog } from '@sallyport/store'
import { AgentError } from '../agent-error.ts'
import { type AuditPlaces, auditPlaces } from './audit-places.ts'
import { establishLogIdentity, type LogIdentity } from './log-identity.ts'
import { type PublishPurpose, readWitnessPolicy, startCosigner } from './witness-policy.ts'

/** Others hold the log for some tens of milliseconds, or 3 s for witnesses that do not answer: whoever waits longer waits for one that hangs. */
const LOCK_WAIT_MS = 20_000

/** `origin`: the name of the log. */
export type LogWork<T> = (log: TransparencyLog, origin: string) => Promise<T>

/**
 * Writes to the log of a state directory for a moment: several processes share it, each holds it for one batch. Everything that was
 * appended is durable when it resolves. `leaves`: somebody waits, so that the tree of it is left to whoever opens the log next.
 *
 * @throws AgentError AUDIT_LOG_UNWRITABLE
 */
export async function appendToLog<T>(stateDirectory: string, work: LogWork<T>, { leaves }: { readonly leaves: boolean }): Promise<T> {
  return naming(stateDirectory, async (places) => {
    const identity = await establishLogIdentity(places)
    await using log = await open(places, identity, noSigner(identity.origin))
    const result = await work(log, identity.origin)
    if (leaves) await log.leave()
    return result
  })
}

export interface AppendedAndPublished<T> {
  readonly result: T
  /** Null: readers see all of it. Else why they do not yet: the next checkpoint has it. */
  readonly unpublished: SallyportError | null
}

/**
 * The same, and a checkpoint of all that is durable, with the cosignatures that the policy asks for. Its signer runs before the log is held. It stays
 * unpublished when too few witnesses cosign, and when the keys are in use for longer than a signer waits: whoever uses them publishes.
 *
 * @throws AgentError AUDIT_LOG_UNWRITABLE, AUDIT_POLICY_INVALID
 */
export async function appendAndPublish<T>(
  stateDirectory: string,
  work: LogWork<T>,
  purpose: PublishPurpose = 'interval',
): Promise<AppendedAndPublished<T>> {
  const policy = await readWitnessPolicy(stateDirectory, purpose)
  return naming(stateDirectory, async (places) => {
    const identity = await establishLogIdentity(places)
    const started = await startUnlessInUse(places, identity)
    if (started instanceof SallyportError) {
      await using log = await open(places, identity, noSigner(identity.origin))
      return { result: await work(log, identity.origin), unpublished: started }
    }
    using signer = started
    using cosigner = policy === null ? null : await startCosigner(policy, signer)
    await using log = await open(places, identity, signer, cosigner)
    const result = await work(log, identity.origin)
    return { result, unpublished: await publish(log) }
  })
}

/** What witnesses do not cosign now they cosign later: the records are durable. */
async function publish(log: TransparencyLog): Promise<SallyportError | null> {
  try {
    await log.publish()
    return null
  } catch (error) {
    if (error instanceof SallyportError && error.code === 'WITNESS_QUORUM_MISSED') return error
    throw error
  }
}

async function naming<T>(stateDirectory: string, work: (places: AuditPlaces) => Promise<T>): Promise<T> {
  const places = auditPlaces(stateDirectory)
  try {
    return await work(places)
  } catch (error) {
    throw unwritable(places, error)
  }
}

async function open(
  places: AuditPlaces,
  { signed }: LogIdentity,
  signer: CheckpointSigner,
  cosigner: CheckpointCosigner | null = null,
): Promise<TransparencyLog> {
  const log = await openTransparencyLog(places.log, { signer, cosigner, lockWaitMs: LOCK_WAIT_MS })
  if (signed === null || signed.size <= log.size) return log
  await log[Symbol.asyncDispose]()
  throw new StoreError('LOG_ROLLED_BACK', `it has ${log.size} entries, and ${signed.size} were signed already`)
}

async function startUnlessInUse({ signer }: AuditPlaces, { origin }: LogIdentity): Promise<SignerClient | SallyportError> {
  try {
    return await startSigner(signer, origin)
  } catch (error) {
    if (error instanceof SallyportError && error.code === 'SIGNER_LOCKED') return error
    throw error
  }
}

/** Of whoever only appends. */
function noSigner(origin: string): CheckpointSigner {
  const refuse = async (): Promise<never> => {
    throw new TypeError('nothing is signed here')
  }
  return { origin, latest: refuse, sign: refuse }
}

/** Trouble that trying again, or space, does not mend. */
const CHANGED: readonly string[] = [
  'LOG_ROLLED_BACK',
  'STORE_CORRUPT',
  'SIGNER_REFUSED',
  'SIGNER_DAMAGED',
  'AUDIT_LOG_MALFORMED',
  'AUDIT_LOG_MISSING',
]

function unwritable({ log, signer }: AuditPlaces, error: unknown): AgentError {
  if (error instanceof TypeError) throw error // A fault of ours.
  const known = error instanceof SallyportError ? error : null
  const hint =
    known !== null && CHANGED.includes(known.code)
      ? `See what is wrong with it: sallyport audit verify. To go on with a new log, move "${log}" and "${signer}" away, and keep them`
      : (known?.hint ?? 'Look at the kernel log for the state of the disk, or name another directory with --state DIR')
  return new AgentError('AUDIT_LOG_UNWRITABLE', `Cannot write the log in "${log}": ${messageOf(error)}`, {
    cause: error,
    hint,
    details: { reason: known?.code ?? 'INTERNAL' },
  })
}
