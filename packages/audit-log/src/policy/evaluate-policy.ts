// SPDX-License-Identifier: Apache-2.0
import { AuditLogError } from '../audit-log-error.ts'
import { noteVerifier, type VerifiedSignature } from '../note/keys.ts'
import type { Note } from '../note/note.ts'
import { verifiedSignatures } from '../note/open-note.ts'
import type { VerifierKey } from '../note/verifier-key.ts'
import type { Policy } from './parse-policy.ts'

export interface WitnessStatement {
  /** The policy's name for the witness. */
  readonly name: string
  readonly timestampS: number
}

export type PolicyDecision =
  | {
      readonly isAccepted: true
      readonly log: VerifierKey
      /** All that cosigned, also beyond what the quorum needs. */
      readonly witnesses: readonly WitnessStatement[]
    }
  | { readonly isAccepted: false; readonly problem: PolicyProblem; readonly reason: string }

export type PolicyProblem =
  /** No listed log has signed a checkpoint of this origin. */
  | 'log-unknown'
  /** A signature of a known key is wrong. */
  | 'signature-wrong'
  /** Too few witnesses. */
  | 'quorum-missed'

/**
 * Whether one of the policy's logs has signed the checkpoint `note` (whose origin has to be the name of the log's key), and
 * enough witnesses have cosigned it. The note is untrusted.
 */
export function evaluatePolicy(policy: Policy, note: Note): PolicyDecision {
  try {
    return decide(policy, note)
  } catch (error) {
    if (!(error instanceof AuditLogError) || error.code !== 'AUDIT_LOG_UNSIGNED') throw error
    return refuse('signature-wrong', error.message)
  }
}

function decide(policy: Policy, note: Note): PolicyDecision {
  const [origin] = note.text.split('\n', 1)
  const logs = policy.logs.filter(({ key }) => key.name === origin)
  const [log] = verifiedSignatures(note, logs.map(({ key }) => key).map(noteVerifier))
  if (log === undefined) return refuse('log-unknown', 'no log of the policy has signed this checkpoint')
  const witnesses = witnessStatements(policy, note)
  if (!isQuorum(policy, witnesses))
    return refuse('quorum-missed', `${witnesses.length} witnesses have cosigned, which is not the quorum "${policy.quorum}"`)
  return { isAccepted: true, log: log.key, witnesses }
}

function refuse(problem: PolicyProblem, reason: string): PolicyDecision {
  return { isAccepted: false, problem, reason }
}

/** Those of the policy's witnesses who cosigned. @throws AuditLogError `AUDIT_LOG_UNSIGNED` when one's cosignature is wrong. */
export function witnessStatements(policy: Policy, note: Note): WitnessStatement[] {
  const verified = verifiedSignatures(note, policy.witnesses.map(({ key }) => key).map(noteVerifier))
  return policy.witnesses.flatMap(({ name, key }) =>
    statementOf(
      name,
      verified.find((signature) => signature.key === key),
    ),
  )
}

function statementOf(name: string, signature: VerifiedSignature | undefined): WitnessStatement[] {
  return signature?.timestampS === undefined || signature.timestampS === null ? [] : [{ name, timestampS: signature.timestampS }]
}

export function isQuorum(policy: Policy, witnesses: readonly WitnessStatement[]): boolean {
  return policy.quorum === null || isWitnessed(policy, policy.quorum, witnesses)
}

/** Members are defined before their group, so this ends; each is a member once, so its work is bounded by their number. */
function isWitnessed(policy: Policy, name: string, witnesses: readonly WitnessStatement[]): boolean {
  const group = policy.groups.find((candidate) => candidate.name === name)
  if (group === undefined) return witnesses.some((witness) => witness.name === name)
  return group.members.filter((member) => isWitnessed(policy, member, witnesses)).length >= group.threshold
}
