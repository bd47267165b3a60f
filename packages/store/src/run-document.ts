// SPDX-License-Identifier: Apache-2.0
import { createHash, randomBytes } from 'node:crypto'
import { type Commitment, SALT_BYTES } from '@sallyport/audit-log'

/** What the log says of the document of a run, which it does not hold. `salt`, base64: belongs into the document's `log`. */
export interface CommittedDocument {
  readonly commitment: Commitment
  readonly salt: string
}

/** `facts`: the document but for its `log`, which is known only once this stands there. */
export function commitToDocument(facts: object): CommittedDocument {
  const salt = randomBytes(SALT_BYTES).toString('base64')
  return { commitment: commitmentOf(facts, salt), salt }
}

/** Whether a document that was read from the record of a run is the one that was committed to. */
export function checkDocument(
  { log, ...facts }: Readonly<Record<string, unknown>>,
  { commitment, bytes }: Commitment,
): 'kept' | 'different' {
  const { salt } = (log ?? {}) as Readonly<Record<string, unknown>>
  if (typeof salt !== 'string') return 'different'
  const found = commitmentOf(facts, salt)
  return found.commitment === commitment && found.bytes === bytes ? 'kept' : 'different'
}

/** Of its text as ECMAScript's `JSON.stringify` has it, whose order of members survives being read. */
function commitmentOf(facts: object, salt: string): Commitment {
  const text = Buffer.from(JSON.stringify(facts))
  const hash = createHash('sha256').update(Buffer.from(salt, 'base64')).update(text)
  return { commitment: hash.digest('base64'), bytes: text.byteLength }
}
