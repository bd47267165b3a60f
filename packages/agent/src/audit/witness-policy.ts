// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path'
import { AuditLogError, type KeyEpoch, type Policy, parsePolicy } from '@sallyport/audit-log'
import { readWhole } from '@sallyport/store'
import type { PolicyCosigner } from '@sallyport/witness'
import { AgentError } from '../agent-error.ts'

/** What a checkpoint is published for: at intervals, or before secrets are handed over. */
export type PublishPurpose = 'interval' | 'lease'

/** Names of policies in a state directory. */
export const AUDIT_POLICY = 'audit-policy'
export const LEASE_POLICY = 'lease-policy'
const FILE_BYTES_MAX = 1024 * 1024

/** Whoever has secrets to hand over waits meanwhile: a witness that takes longer is asked again with the next checkpoint. */
const TIMES = { requestMs: 1500, totalMs: 3000 }

/**
 * The witnesses that cosign checkpoints of a state directory's log: `audit-policy` in it, C2SP tlog-policy; for leases `lease-policy`, where that is
 * there, too. Null for none, or the quorum `none`.
 *
 * @throws AgentError AUDIT_POLICY_INVALID
 */
export async function readWitnessPolicy(stateDirectory: string, purpose: PublishPurpose): Promise<Policy | null> {
  const lease = purpose === 'lease' ? await readPolicy(join(stateDirectory, LEASE_POLICY)) : null
  const policy = lease ?? (await readPolicy(join(stateDirectory, AUDIT_POLICY)))
  return policy === null || policy.quorum === null ? null : policy
}

/** `published`: the note that readers see, from which each witness's size is guessed. */
export async function startCosigner(policy: Policy, published: Uint8Array | null): Promise<PolicyCosigner> {
  const { PolicyCosigner } = await import('@sallyport/witness')
  return new PolicyCosigner({ policy, times: TIMES, published })
}

/** Its `log` lines are for verifiers: what is published here is signed by this signer's keys, whichever they are after rotations. */
export function ofSigner(policy: Policy, epochs: readonly KeyEpoch[]): Policy {
  return { ...policy, logs: epochs.map(({ key }) => ({ key, url: null })) }
}

/** Null where there is no such file. @throws AgentError AUDIT_POLICY_INVALID */
export async function readPolicy(path: string): Promise<Policy | null> {
  const bytes = await readWhole(path, FILE_BYTES_MAX)
  try {
    return bytes === null ? null : parsePolicy(bytes)
  } catch (error) {
    if (!(error instanceof AuditLogError)) throw error
    throw new AgentError('AUDIT_POLICY_INVALID', `Cannot use "${path}": ${error.message}`, {
      cause: error,
      hint: 'Write a line "witness NAME KEY URL" for each witness, a line "group all 2 NAME NAME NAME" and a line "quorum all"',
    })
  }
}
