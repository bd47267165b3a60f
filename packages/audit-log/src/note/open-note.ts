// SPDX-License-Identifier: Apache-2.0
import { AuditLogError } from '../audit-log-error.ts'
import type { NoteVerifier, VerifiedSignature } from './keys.ts'
import type { Note, NoteSignature } from './note.ts'
import { formatVerifierKey, type VerifierKey } from './verifier-key.ts'

/**
 * The signatures of `note` by trusted keys, one for each key.
 *
 * Signatures of unknown keys are ignored. One wrong signature of a known key rejects the whole note, as does none of a
 * known key at all. Of several by one key, that with the latest time counts.
 *
 * @throws AuditLogError `AUDIT_LOG_UNSIGNED`
 */
export function openNote(note: Note, verifiers: readonly NoteVerifier[]): VerifiedSignature[] {
  const found = verifiedSignatures(note, verifiers)
  if (found.length === 0) throw new AuditLogError('AUDIT_LOG_UNSIGNED', 'Cannot trust the note: no key that is trusted has signed it')
  return found
}

/** As {@link openNote}, but nothing found is an empty list: for those who count. */
export function verifiedSignatures({ text, signatures }: Note, verifiers: readonly NoteVerifier[]): VerifiedSignature[] {
  const found = new Map<VerifierKey, VerifiedSignature>()
  for (const signature of signatures) {
    const verifier = knownVerifier(signature, verifiers)
    if (verifier === undefined) continue
    const verified = verifier.verify(text, signature.signature)
    if (verified === null) throw wrongSignature(verifier.key)
    const earlier = found.get(verifier.key)
    if (earlier === undefined || (earlier.timestampS ?? 0) < (verified.timestampS ?? 0)) found.set(verifier.key, verified)
  }
  return [...found.values()]
}

function knownVerifier({ name, keyId }: NoteSignature, verifiers: readonly NoteVerifier[]): NoteVerifier | undefined {
  const [verifier, ...others] = verifiers.filter(({ key }) => key.name === name && key.keyId === keyId)
  if (others.length > 0) throw new TypeError(`Two trusted keys are both named "${name}" with the same key id`)
  return verifier
}

function wrongSignature(key: VerifierKey): AuditLogError {
  return new AuditLogError('AUDIT_LOG_UNSIGNED', `Cannot trust the note: the signature of ${formatVerifierKey(key)} is wrong`)
}
