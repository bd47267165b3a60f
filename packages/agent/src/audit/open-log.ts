// SPDX-License-Identifier: Apache-2.0
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { type CheckpointSigner, formatKeys, type Policy, type RotatedEpoch } from '@sallyport/audit-log'
import { messageOf, SallyportError } from '@sallyport/core'
import { type SignerClient, startSigner } from '@sallyport/signer'
import {
  lockExclusively,
  makePrivateDirectory,
  openTransparencyLog,
  publishCheckpoint,
  publishKeys,
  type SignedCheckpoint,
  StoreError,
  type TransparencyLog,
} from '@sallyport/store'
import { AgentError } from '../agent-error.ts'
import { type AuditPlaces, auditPlaces } from './audit-places.ts'
import { establishLogIdentity, type LogIdentity } from './log-identity.ts'
import { isPublished, publishedNote } from './published.ts'
import { ofSigner, type PublishPurpose, readWitnessPolicy, startCosigner } from './witness-policy.ts'

/** Others hold the log for some tens of milliseconds: whoever waits longer waits for one that hangs. */
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

export interface PublishOptions {
  readonly purpose: PublishPurpose
  /** While another process publishes, for so long: it may publish what this one has appended. Nothing that is appended waits. */
  readonly waitMs: number
  /** Also when readers see all of it already: its cosignatures are to be fresh. */
  readonly renews?: boolean
}

/**
 * The same, and a checkpoint of all that is durable, with the cosignatures that the policy asks for: nobody waits for the log while witnesses are asked. It stays
 * unpublished when too few of them cosign, and when another process publishes, or uses the keys, for longer than this one waits.
 *
 * @throws AgentError AUDIT_LOG_UNWRITABLE, AUDIT_POLICY_INVALID
 */
export async function appendAndPublish<T>(
  stateDirectory: string,
  work: LogWork<T>,
  { purpose, waitMs, renews = false }: PublishOptions,
): Promise<AppendedAndPublished<T>> {
  const policy = await readWitnessPolicy(stateDirectory, purpose)
  return naming(stateDirectory, async (places) => {
    const identity = await establishLogIdentity(places)
    const publisher = new Publisher(places, identity, { policy, renews })
    const turn = await takeTurn(places, 0)
    if (turn !== null) {
      await using _turn = turn
      return await publisher.publish(work)
    }
    const { result, size } = await append(places, identity, work)
    await using later = await takeTurn(places, waitMs)
    if (later === null) return { result, unpublished: isPublishing(places) }
    if (!renews && (await isPublished(places, size, policy))) return { result, unpublished: null }
    return { result, unpublished: (await publisher.publish(async () => undefined)).unpublished }
  })
}

/** Publications of a log take turns, so that witnesses are asked for one tree after the other. What else is appended does not wait for them. */
async function takeTurn({ log }: AuditPlaces, waitMs: number): Promise<FileHandle | null> {
  await makePrivateDirectory(log) // Where somebody has removed it, opening the log says what is wrong.
  return lockExclusively(join(log, 'publishing'), waitMs)
}

function isPublishing({ log }: AuditPlaces): StoreError {
  return new StoreError('LOG_LOCKED', `Cannot publish the log in "${log}": another process does`, {
    hint: 'The records are durable; the next checkpoint has them',
  })
}

async function append<T>(places: AuditPlaces, identity: LogIdentity, work: LogWork<T>): Promise<{ result: T; size: number }> {
  await using log = await open(places, identity, noSigner(identity.origin))
  const result = await work(log, identity.origin)
  return { result, size: log.size }
}

class Publisher {
  readonly #places: AuditPlaces
  readonly #identity: LogIdentity
  readonly #policy: Policy | null
  readonly #renews: boolean

  constructor(places: AuditPlaces, identity: LogIdentity, { policy, renews }: { policy: Policy | null; renews: boolean }) {
    this.#places = places
    this.#identity = identity
    this.#policy = policy
    this.#renews = renews
  }

  /** The signer runs before the log is held. */
  async publish<T>(work: LogWork<T>): Promise<AppendedAndPublished<T>> {
    const started = await startUnlessInUse(this.#places, this.#identity)
    if (started instanceof SallyportError) {
      const { result } = await append(this.#places, this.#identity, work)
      return { result, unpublished: started }
    }
    using signer = started
    const port = withKeys(this.#places, signer)
    if (this.#policy === null) return { result: await this.#publishAlone(work, port), unpublished: null }
    const { result, signed } = await this.#sign(work, port)
    return { result, unpublished: signed === null ? null : await this.#publishCosigned(signed, this.#policy, signer) }
  }

  async #publishAlone<T>(work: LogWork<T>, signer: CheckpointSigner): Promise<T> {
    await using log = await open(this.#places, this.#identity, signer)
    const result = await work(log, this.#identity.origin)
    await log.publish()
    return result
  }

  /** Null: all of it is published already. */
  async #sign<T>(work: LogWork<T>, signer: CheckpointSigner): Promise<{ readonly result: T; readonly signed: SignedCheckpoint | null }> {
    await using log = await open(this.#places, this.#identity, signer)
    const result = await work(log, this.#identity.origin)
    const isDone = !this.#renews && (await isPublished(this.#places, log.size, this.#policy))
    return { result, signed: isDone ? null : await log.sign() }
  }

  /** Others write to the log meanwhile. What witnesses do not cosign now they cosign later: the records are durable. */
  async #publishCosigned({ note, prove }: SignedCheckpoint, policy: Policy, signer: SignerClient): Promise<SallyportError | null> {
    using cosigner = await startCosigner(ofSigner(policy, await signer.epochs()), await publishedNote(this.#places))
    try {
      await publishCheckpoint(this.#places.log, await cosigner.cosign(note, prove), { lockWaitMs: LOCK_WAIT_MS })
      return null
    } catch (error) {
      if (error instanceof SallyportError && error.code === 'WITNESS_QUORUM_MISSED') return error
      throw error
    }
  }
}

/** Readers find the key of a checkpoint before they see that: keys are written when the log is held, and the checkpoint later. */
function withKeys(places: AuditPlaces, signer: SignerClient): CheckpointSigner {
  return {
    origin: signer.origin,
    latest: () => signer.latest(),
    sign: async (growth) => {
      const note = await signer.sign(growth)
      await publishKeysOf(places, await signer.epochs())
      return note
    },
  }
}

/** Whoever calls holds the log. */
export async function publishKeysOf({ log }: AuditPlaces, epochs: readonly RotatedEpoch[]): Promise<void> {
  const keys = formatKeys(epochs)
  if (keys !== null) await publishKeys(log, keys)
}

/** The signer, and the log as its writer, for whoever holds it for a moment. */
export interface LogAndSigner {
  readonly signer: SignerClient
  readonly places: AuditPlaces
  openLog(): Promise<TransparencyLog>
}

/**
 * What only one process at a time may do with the keys: in the turn of whoever publishes, which is waited for.
 * @throws AgentError AUDIT_LOG_UNWRITABLE
 */
export function withSigner<T>(stateDirectory: string, work: (held: LogAndSigner) => Promise<T>): Promise<T> {
  return naming(stateDirectory, async (places) => {
    const identity = await establishLogIdentity(places)
    await using turn = await takeTurn(places, LOCK_WAIT_MS)
    if (turn === null) throw isPublishing(places)
    using signer = await startSigner(places.signer, identity.origin)
    return await work({ signer, places, openLog: () => open(places, identity, withKeys(places, signer)) })
  })
}

async function naming<T>(stateDirectory: string, work: (places: AuditPlaces) => Promise<T>): Promise<T> {
  const places = auditPlaces(stateDirectory)
  try {
    return await work(places)
  } catch (error) {
    throw unwritable(places, error)
  }
}

async function open(places: AuditPlaces, { signed }: LogIdentity, signer: CheckpointSigner): Promise<TransparencyLog> {
  const log = await openTransparencyLog(places.log, { signer, cosigner: null, lockWaitMs: LOCK_WAIT_MS })
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
