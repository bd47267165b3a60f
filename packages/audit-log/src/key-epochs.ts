// SPDX-License-Identifier: Apache-2.0
// From one key of a log that somebody trusts to all of its keys: at each rotation, the old key and the new one sign the same note.
import { AuditLogError, malformed } from './audit-log-error.ts'
import type { KeyEpoch } from './contract.ts'
import { noteVerifier } from './note/keys.ts'
import { parseNote } from './note/note.ts'
import { verifiedSignatures } from './note/open-note.ts'
import { formatVerifierKey, parseVerifierKey, type VerifierKey } from './note/verifier-key.ts'
import { parseDecimal } from './text.ts'

export interface KeyRotation {
  readonly origin: string
  /** Of the tree that the old key signed last, and the new one first. */
  readonly size: number
  readonly oldKey: VerifierKey
  readonly newKey: VerifierKey
}

export interface RotatedEpoch extends KeyEpoch {
  /** The note that the key before and this one signed; null for the first key. */
  readonly rotation: Uint8Array | null
}

/** No checkpoint's second line is an origin, so no key's signature on one can be taken for one on the other. */
const HEADER = 'sallyport key rotation v1'

/** The text that both keys sign. */
export function formatRotation({ origin, size, oldKey, newKey }: KeyRotation): string {
  return `${[HEADER, origin, size, formatVerifierKey(oldKey), formatVerifierKey(newKey)].join('\n')}\n`
}

/** What a rotation's text says; signatures are for {@link trustedEpochs}. @throws AuditLogError `AUDIT_LOG_MALFORMED` */
export function parseRotation(text: string): KeyRotation {
  const [header, origin = '', size = '', oldKey = '', newKey = '', ...rest] = text.split('\n')
  const [sizeAt, end] = [parseDecimal(size), rest.join('\n')]
  if (header !== HEADER || sizeAt === null || end !== '')
    throw malformed('key rotation', 'it is not header, origin, size, old key and new key')
  const rotation = { origin, size: sizeAt, oldKey: parseVerifierKey(oldKey), newKey: parseVerifierKey(newKey) }
  if (formatRotation(rotation) !== text) throw malformed('key rotation', 'a line of it is written in another way')
  return rotation
}

/**
 * The log's epochs, when every step from the one with the trusted key to the others is signed by both keys of the step. The list is
 * untrusted, and in order. What the last epoch before a rotation covered is then for its seal to say (`verifyLog`).
 *
 * Whoever trusts a later key only has no more than its word for what was before.
 *
 * @throws AuditLogError `AUDIT_LOG_UNSIGNED`, `AUDIT_LOG_MALFORMED`
 */
export function trustedEpochs(origin: string, trusted: VerifierKey, epochs: readonly RotatedEpoch[]): KeyEpoch[] {
  const wanted = formatVerifierKey(trusted)
  if (!epochs.some(({ key }) => formatVerifierKey(key) === wanted)) throw distrust('the key that is trusted is none of them')
  for (const [index, epoch] of epochs.entries()) checkStep(origin, epochs[index - 1], epoch)
  if (epochs.at(-1)?.lastSize !== null) throw distrust('the last of them has ended')
  return epochs.map(({ key, firstSize, lastSize, seal }) => ({ key, firstSize, lastSize, seal }))
}

function checkStep(origin: string, before: RotatedEpoch | undefined, epoch: RotatedEpoch): void {
  if (before === undefined) {
    if (epoch.firstSize !== 0 || epoch.rotation !== null) throw distrust('the first of them does not begin with the log')
    return
  }
  if (epoch.rotation === null) throw distrust(`nothing leads to the one that begins at ${epoch.firstSize}`)
  const note = parseNote(epoch.rotation)
  const expected = formatRotation({ origin, size: epoch.firstSize, oldKey: before.key, newKey: epoch.key })
  if (note.text !== expected || before.lastSize !== epoch.firstSize)
    throw distrust(`the note that leads to the one that begins at ${epoch.firstSize} says something else`)
  if (verifiedSignatures(note, [noteVerifier(before.key), noteVerifier(epoch.key)]).length !== 2)
    throw distrust(`not both keys have signed the step to the one that begins at ${epoch.firstSize}`)
}

function distrust(reason: string): AuditLogError {
  return new AuditLogError('AUDIT_LOG_UNSIGNED', `Cannot trust the keys of the log: ${reason}`)
}
