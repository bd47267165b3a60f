// SPDX-License-Identifier: Apache-2.0
// The checkpoint: who signed it, whether that key may sign trees of this size, who witnessed it, and when.
import { Buffer } from 'node:buffer'
import { quote } from '@sallyport/core'
import { AuditLogError, type AuditLogErrorCode } from '../audit-log-error.ts'
import { parseCheckpoint } from '../checkpoint.ts'
import type { Checkpoint, KeyEpoch, TileSource, TreeHead } from '../contract.ts'
import { noteVerifier } from '../note/keys.ts'
import { type Note, parseNote } from '../note/note.ts'
import { verifiedSignatures } from '../note/open-note.ts'
import { formatVerifierKey } from '../note/verifier-key.ts'
import { isQuorum, type WitnessStatement, witnessStatements } from '../policy/evaluate-policy.ts'
import type { Policy } from '../policy/parse-policy.ts'
import type { Findings } from './finding.ts'

export const CHECKPOINT_PATH = 'checkpoint'

export interface Trust {
  readonly origin: string
  /** All keys that the log ever had. */
  readonly epochs: readonly KeyEpoch[]
  /** Witnesses and quorum; its logs are not looked at, the epochs say which keys sign. */
  readonly policy: Policy
}

export interface Clock {
  /** Seconds since the epoch. */
  readonly nowS: number
  /** The log has to have said something within this; null: whenever. */
  readonly freshnessS: number | null
}

/** Ahead of our clock by this, a cosignature's time is taken as a clock that differs; by more, as no time at all. */
export const CLOCK_DIFFERENCE_S = 600

/** Null when there is nothing that could be compared with the tree; else what stands there, even if it is not trusted. */
export async function readCheckpoint(
  source: TileSource,
  { isNew, findings }: { readonly isNew: boolean; readonly findings: Findings },
): Promise<{ note: Note; checkpoint: Checkpoint } | null> {
  const bytes = await source.read(CHECKPOINT_PATH)
  const path = CHECKPOINT_PATH
  if (bytes === null) {
    if (!isNew) findings.add({ kind: 'checkpoint-missing', manipulation: 'log-deleted', path, message: 'there is no checkpoint' })
    return null
  }
  const parsed = attempt('AUDIT_LOG_MALFORMED', () => parseSigned(bytes))
  if (!(parsed instanceof AuditLogError)) return parsed
  // Without one signature line it is no note any more
  const manipulation = Buffer.from(bytes).includes('\n\n—') ? 'checkpoint-edited' : 'signature-stripped'
  findings.add({ kind: 'checkpoint-malformed', manipulation, path, message: parsed.message })
  return null
}

function parseSigned(bytes: Uint8Array): { note: Note; checkpoint: Checkpoint } {
  const note = parseNote(bytes)
  return { note, checkpoint: parseCheckpoint(note.text) }
}

export function checkSignatures(note: Note, checkpoint: Checkpoint, trust: Trust, findings: Findings): void {
  const path = CHECKPOINT_PATH
  if (checkpoint.origin !== trust.origin) {
    findings.add({ kind: 'origin-wrong', manipulation: 'other-log', path, message: `it is a checkpoint of ${quote(checkpoint.origin)}` })
    return
  }
  const signers = attempt('AUDIT_LOG_UNSIGNED', () => signersOf(note, trust.epochs))
  if (signers instanceof AuditLogError)
    findings.add({ kind: 'signature-wrong', manipulation: 'checkpoint-edited', path, message: signers.message })
  else if (signers.length === 0) findings.add({ kind: 'checkpoint-unsigned', path, ...unsignedBy(note, trust) })
  else if (!trust.epochs.some((epoch) => signers.includes(formatVerifierKey(epoch.key)) && covers(epoch, checkpoint.size)))
    findings.add({
      kind: 'epoch-wrong',
      manipulation: 'epoch-resealed',
      path,
      message: `the key that signed it does not sign trees of ${checkpoint.size} entries`,
    })
}

/** The keys that have signed, as text: an epoch may come back to an earlier key. */
function signersOf(note: Note, epochs: readonly KeyEpoch[]): string[] {
  const keys = new Map(epochs.map(({ key }) => [formatVerifierKey(key), key]))
  return verifiedSignatures(note, [...keys.values()].map(noteVerifier)).map(({ key }) => formatVerifierKey(key))
}

function covers({ firstSize, lastSize }: KeyEpoch, size: number): boolean {
  return size >= firstSize && (lastSize === null || size <= lastSize)
}

function unsignedBy(note: Note, { origin, epochs }: Trust): { manipulation: 'key-swapped' | 'signature-stripped'; message: string } {
  const names = new Set([origin, ...epochs.map(({ key }) => key.name)])
  return note.signatures.some(({ name }) => names.has(name))
    ? { manipulation: 'key-swapped', message: 'a key signed it under the name of the log that is not the log’s' }
    : { manipulation: 'signature-stripped', message: 'the log has not signed it' }
}

/** The heads that earlier keys sealed: nobody who has only today's key can move them. */
export function sealedHeads({ origin, epochs }: Trust, findings: Findings): TreeHead[] {
  return epochs.flatMap((epoch) => {
    if (epoch.lastSize === null) return []
    const head = epoch.seal === null ? null : attempt(null, () => sealedHead(epoch, origin, epoch.seal ?? new Uint8Array(0)))
    if (head !== null && !(head instanceof AuditLogError)) return [head]
    const reason = head === null ? 'it is not there' : head.message
    findings.add({
      kind: 'seal-wrong',
      manipulation: 'epoch-resealed',
      message: `the last checkpoint of the key that signed up to ${epoch.lastSize} entries: ${reason}`,
    })
    return []
  })
}

function sealedHead({ key, lastSize }: KeyEpoch, origin: string, seal: Uint8Array): TreeHead {
  const { note, checkpoint } = parseSigned(seal)
  if (verifiedSignatures(note, [noteVerifier(key)]).length === 0) throw new AuditLogError('AUDIT_LOG_UNSIGNED', 'the key has not signed it')
  if (checkpoint.origin !== origin || checkpoint.size !== lastSize)
    throw new AuditLogError('AUDIT_LOG_MALFORMED', `it is a checkpoint of ${checkpoint.size} entries of ${quote(checkpoint.origin)}`)
  return checkpoint
}

/** Quorum, and the quorum again among those who said so lately. */
export function checkWitnesses(note: Note, { policy }: Trust, clock: Clock, findings: Findings): readonly WitnessStatement[] {
  const path = CHECKPOINT_PATH
  const witnesses = attempt('AUDIT_LOG_UNSIGNED', () => witnessStatements(policy, note))
  if (witnesses instanceof AuditLogError) {
    findings.add({ kind: 'signature-wrong', manipulation: 'checkpoint-edited', path, message: witnesses.message })
    return []
  }
  if (policy.quorum === null) return witnesses
  const known = witnesses.filter(({ timestampS }) => timestampS <= clock.nowS + CLOCK_DIFFERENCE_S)
  const fresh = known.filter(({ timestampS }) => clock.freshnessS === null || timestampS >= clock.nowS - clock.freshnessS)
  if (!isQuorum(policy, known)) {
    const message = `${known.length} of the policy's ${policy.witnesses.length} witnesses have cosigned, which is not its quorum`
    findings.add({ kind: 'quorum-missed', manipulation: 'witnesses-missing', path, message })
  } else if (!isQuorum(policy, fresh)) {
    const message = `no quorum of witnesses has cosigned it within the last ${clock.freshnessS} seconds`
    findings.add({ kind: 'stale', manipulation: 'log-stopped', path, message })
  }
  return witnesses
}

/** An error with this code (null: any of ours) as a value. */
function attempt<Result>(code: AuditLogErrorCode | null, work: () => Result): Result | AuditLogError {
  try {
    return work()
  } catch (error) {
    if (error instanceof AuditLogError && (code === null || error.code === code)) return error
    throw error
  }
}
