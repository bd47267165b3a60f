// SPDX-License-Identifier: Apache-2.0
import { setTimeout as sleep } from 'node:timers/promises'
import {
  AuditLogError,
  evaluatePolicy,
  formatNote,
  formatVerifierKey,
  NOTE_SIGNATURES_MAX,
  type Note,
  type Policy,
  type PolicyWitness,
} from '@sallyport/audit-log'
import type { CheckpointCosigner } from '@sallyport/store'
import { WitnessError } from '../witness-error.ts'
import { type Prove, WITNESS_TIMES, type WitnessOutcome, type WitnessTimes } from './contract.ts'
import { parseSubmittedCheckpoint, type SubmittedCheckpoint } from './submitted-checkpoint.ts'
import { WitnessClient } from './witness-client.ts'

export interface PolicyCosignerOptions {
  /** Its witnesses with a URL (their submission prefix) are asked, all at once. */
  readonly policy: Policy
  readonly times?: Partial<WitnessTimes>
  /** A checkpoint that was published before: who has cosigned it is first asked to go on from there. Nothing of it is believed. */
  readonly published?: Uint8Array | null
  /** How long the others may still take once there are enough: each cosignature more is one that can be missing later. */
  readonly lingerMs?: number
  /** What each checkpoint came to, also those witnesses that answered too late for it. */
  readonly onOutcome?: (outcome: WitnessOutcome) => void
  /** Milliseconds since the epoch. */
  readonly now?: () => number
}

const LINGER_MS = 50

/** Has the witnesses of a policy cosign a log's checkpoints. Calls must not overlap. */
export class PolicyCosigner implements CheckpointCosigner, Disposable {
  readonly #policy: Policy
  readonly #clients: readonly WitnessClient[]
  readonly #lingerMs: number
  readonly #onOutcome: (outcome: WitnessOutcome) => void

  constructor({
    policy,
    times,
    published = null,
    lingerMs = LINGER_MS,
    onOutcome = () => undefined,
    now = Date.now,
  }: PolicyCosignerOptions) {
    this.#policy = policy
    this.#lingerMs = lingerMs
    this.#onOutcome = onOutcome
    const settings = { times: { ...WITNESS_TIMES, ...times }, now }
    const sizeOf = cosignedSize(published)
    this.#clients = policy.witnesses.flatMap((witness) =>
      witness.url === null ? [] : [new WitnessClient(witness, witness.url, { ...settings, size: sizeOf(witness) })],
    )
  }

  /**
   * The checkpoint with its log's signatures and the cosignatures that were had by the time the quorum was reached, or a little later.
   * Cosignatures that it came with are asked for anew.
   *
   * @throws WitnessError WITNESS_QUORUM_MISSED; AuditLogError AUDIT_LOG_MALFORMED
   */
  async cosign(checkpoint: Uint8Array, prove: Prove): Promise<Uint8Array> {
    const submitted = parseSubmittedCheckpoint(checkpoint)
    const outcomes: WitnessOutcome[] = []
    await this.#gather(submitted, prove, outcomes)
    const note = this.#cosigned(submitted, outcomes)
    const decision = evaluatePolicy(this.#policy, note)
    if (!decision.isAccepted) throw quorumMissed(decision.reason, outcomes, this.#keyOf(note))
    const fitting = this.#fitting(note)
    if (fitting.signatures.length > NOTE_SIGNATURES_MAX)
      throw quorumMissed(`a note has room for ${NOTE_SIGNATURES_MAX} signatures, and the policy wants more`, outcomes, this.#keyOf(note))
    return formatNote(fitting)
  }

  /** A note has room for a hundred signatures: of more, those are left out that came last and that the policy can do without. */
  #fitting({ text, signatures }: Note): Note {
    let kept = signatures
    for (const signature of signatures.toReversed()) {
      if (kept.length <= NOTE_SIGNATURES_MAX) break
      const others = kept.filter((each) => each !== signature)
      if (evaluatePolicy(this.#policy, { text, signatures: others }).isAccepted) kept = others
    }
    return { text, signatures: kept }
  }

  /** Resolves when all have answered, or some time after enough of them have. */
  async #gather(submitted: SubmittedCheckpoint, prove: Prove, outcomes: WitnessOutcome[]): Promise<void> {
    const enough = Promise.withResolvers<void>()
    const resolveIfEnough = (): void => {
      if (evaluatePolicy(this.#policy, this.#cosigned(submitted, outcomes)).isAccepted) enough.resolve()
    }
    resolveIfEnough()
    const all = Promise.all(
      this.#clients.map(async (client) => {
        const outcome = await client.cosign(submitted, prove)
        outcomes.push(outcome)
        this.#onOutcome(outcome)
        resolveIfEnough()
      }),
    )
    await Promise.race([all, enough.promise])
    await Promise.race([all, sleep(this.#lingerMs)])
  }

  #cosigned({ note }: SubmittedCheckpoint, outcomes: readonly WitnessOutcome[]): Note {
    const own = note.signatures.filter(
      ({ name, keyId }) => !this.#policy.witnesses.some(({ key }) => key.name === name && key.keyId === keyId),
    )
    const theirs = outcomes.flatMap((outcome) => (outcome.kind === 'cosigned' ? [outcome.signature] : []))
    return { text: note.text, signatures: [...own, ...theirs] }
  }

  /** Of the policy's logs, the one that has signed. */
  #keyOf({ signatures }: Note): string | null {
    const signed = this.#policy.logs.filter(({ key }) => signatures.some(({ name, keyId }) => name === key.name && keyId === key.keyId))
    return signed.map(({ key }) => formatVerifierKey(key)).at(-1) ?? null
  }

  /** Ends what still waits for slow witnesses. */
  [Symbol.dispose](): void {
    for (const client of this.#clients) client.abandon()
  }
}

/** Of the tree that a witness seems to have cosigned; 0: nobody knows. */
function cosignedSize(published: Uint8Array | null): (witness: PolicyWitness) => number {
  try {
    if (published === null) return () => 0
    const { note, size } = parseSubmittedCheckpoint(published)
    return ({ key }) => (note.signatures.some(({ name, keyId }) => name === key.name && keyId === key.keyId) ? size : 0)
  } catch (error) {
    // It is no checkpoint: whoever publishes says so
    if (error instanceof AuditLogError) return () => 0
    throw error
  }
}

/** `key`: the one that signs now. */
function quorumMissed(reason: string, outcomes: readonly WitnessOutcome[], key: string | null): WitnessError {
  const said = outcomes.flatMap((outcome) => (outcome.kind === 'cosigned' ? [] : [`${outcome.witness}: ${outcome.reason}`]))
  return new WitnessError('WITNESS_QUORUM_MISSED', `Cannot publish the checkpoint: ${[reason, ...said].join('; ')}`, {
    hint: hintFor(new Set(outcomes.map(({ kind }) => kind)), key),
    details: { outcomes: outcomes.map(({ kind, witness }) => ({ kind, witness })) },
  })
}

function hintFor(kinds: ReadonlySet<WitnessOutcome['kind']>, key: string | null): string {
  if (kinds.has('ahead') || kinds.has('refused'))
    return 'A witness remembers another log than this one: sallyport audit verify says what is wrong'
  if (kinds.has('unknown-key'))
    return `A witness does not know the key that signs now: have it started again with this line in its file: log ${key ?? 'KEY'}`
  return 'The records are durable, and are published once enough witnesses can be reached'
}
