// SPDX-License-Identifier: Apache-2.0
// Whom a verifier believes, and what it remembers: all that does not come from the log.
import { join } from 'node:path'
import {
  AuditLogError,
  evaluatePolicy,
  formatVerifierKey,
  type KeyEpoch,
  type Policy,
  parseNote,
  type TileSource,
  type VerifierKey,
} from '@sallyport/audit-log'
import { AgentError } from '../agent-error.ts'
import type { AuditPlace, AuditReport, VerifyOptions } from './contract.ts'
import { parseTrustedKey } from './located-log.ts'
import { type RememberedLog, readRemembered } from './remembered-head.ts'
import { AUDIT_POLICY, LEASE_POLICY, readPolicy } from './witness-policy.ts'

/** A host that runs nothing for a day says nothing for a day, unless it republishes; and nobody notices a log that stands still any sooner. */
const FRESHNESS_DEFAULT_S = 24 * 60 * 60

const NO_WITNESSES: Policy = { logs: [], witnesses: [], groups: [], quorum: null }

export interface NamedPolicy {
  readonly path: string
  readonly policy: Policy
}

export interface VerifySetting {
  readonly remembered: RememberedLog | null
  /** None: those that the log's own signer has noted. */
  readonly trusted: readonly VerifierKey[]
  readonly trust: AuditReport['trust']
  /** Any of them is enough: what is published for a lease has the witnesses of that policy. */
  readonly policies: readonly NamedPolicy[]
  readonly freshnessS: number | null
}

/** @throws AgentError AUDIT_KEY_INVALID, AUDIT_MEMORY_INVALID, AUDIT_POLICY_INVALID */
export async function readSetting(place: AuditPlace, options: VerifyOptions, origin: string | null): Promise<VerifySetting> {
  const remembered = options.remember === null ? null : await readRemembered(options.remember)
  const policies = options.policy === null ? await ownPolicies(place) : [await namedPolicy(options.policy)]
  const named = place.key === null ? null : parseTrustedKey(place.key)
  const logKeys = options.policy === null ? [] : logKeysOf(policies, origin)
  const seen = remembered === null ? [] : [parseTrustedKey(remembered.key)]
  const trusted = named !== null ? [named] : logKeys.length > 0 ? logKeys : seen
  const trust = named !== null ? 'named' : logKeys.length > 0 ? 'policy' : remembered !== null ? 'remembered' : 'own'
  return { remembered, trusted, trust, policies, freshnessS: options.freshnessS }
}

/** A copy has none, unless it is of a whole state directory: the verifier names one. */
async function ownPolicies({ stateDirectory, directory }: AuditPlace): Promise<NamedPolicy[]> {
  const found: NamedPolicy[] = []
  for (const name of directory === null ? [AUDIT_POLICY, LEASE_POLICY] : []) {
    const path = join(stateDirectory, name)
    const policy = await readPolicy(path)
    if (policy !== null && policy.quorum !== null) found.push({ path, policy })
    // A lease policy without another one: what is published at intervals has no witnesses
    if (found.length === 0) return []
  }
  return found
}

async function namedPolicy(path: string): Promise<NamedPolicy> {
  const policy = await readPolicy(path)
  if (policy !== null) return { path, policy }
  throw new AgentError('AUDIT_POLICY_INVALID', `Cannot use "${path}": there is no such file`, {
    hint: 'Name a file in the form of C2SP tlog-policy, as STATE/audit-policy has it',
  })
}

/** Of several logs that the policy trusts, the one that this says it is: then it has to be signed as that. A log may have several keys. */
function logKeysOf([named]: readonly NamedPolicy[], origin: string | null): VerifierKey[] {
  const keys = named?.policy.logs.map(({ key }) => key) ?? []
  const name = keys.find((key) => key.name === origin)?.name ?? keys[0]?.name
  return keys.filter((key) => key.name === name)
}

/** The policy to ask for: the one that the checkpoint comes up to, else the first. */
export async function policyFor({ policies }: VerifySetting, log: TileSource, epochs: readonly KeyEpoch[]): Promise<NamedPolicy | null> {
  const [first, ...others] = policies
  if (first === undefined || others.length === 0) return first ?? null
  const checkpoint = await log.read('checkpoint')
  return policies.find(({ policy }) => checkpoint !== null && isMet(policy, checkpoint, epochs)) ?? first
}

function isMet(policy: Policy, checkpoint: Uint8Array, epochs: readonly KeyEpoch[]): boolean {
  // An epoch may come back to an earlier key
  const keys = new Map(epochs.map(({ key }) => [formatVerifierKey(key), { key, url: null }]))
  try {
    return evaluatePolicy({ ...policy, logs: [...keys.values()] }, parseNote(checkpoint)).isAccepted
  } catch (error) {
    if (error instanceof AuditLogError) return false // It is no checkpoint, which is found later.
    throw error
  }
}

export function witnessesOf(named: NamedPolicy | null): Policy {
  return named?.policy ?? NO_WITNESSES
}

/** Null: however old. */
export function freshnessOf({ freshnessS }: VerifySetting, named: NamedPolicy | null): number | null {
  return freshnessS ?? (witnessesOf(named).quorum === null ? null : FRESHNESS_DEFAULT_S)
}
