// SPDX-License-Identifier: Apache-2.0
import { createHash, randomBytes } from 'node:crypto'
import { type Commitment, SALT_BYTES } from '@sallyport/audit-log'

/** What the log says of the document of a run, which it does not hold. `salt`, base64: belongs into the document's `log`. */
export interface CommittedDocument {
  readonly commitment: Commitment
  readonly salt: string
}

/** Where a run's entries stand: indices; null: not to be told from what is left of the log. */
export interface EntryRange {
  readonly first: number | null
  readonly last: number
}

/** `facts`: the document but for its `log`, which is known only once this stands there. */
export function commitToDocument(facts: object): CommittedDocument {
  const salt = randomBytes(SALT_BYTES)
  return { commitment: commitmentOf(facts, salt), salt: salt.toString('base64') }
}

/** As it stands in the record of a run. */
export function formatDocument(document: unknown): string {
  return `${JSON.stringify(document, null, 2)}\n`
}

/**
 * Whether what lies in the record of a run is the document that the log commits to, to the byte, and says where the run stands. `log.origin`, `log.size` and
 * `log.unpublished` are not compared. `unlogged`: it says that the run could not be logged to its end, and so nothing in it can be compared.
 */
export function checkDocument(bytes: Uint8Array, commitment: Commitment, place: EntryRange): 'kept' | 'different' | 'unlogged' {
  const text = Buffer.from(bytes)
  const document = parsedOrNull(text.toString())
  if (document === null || !text.equals(Buffer.from(formatDocument(document)))) return 'different'
  const { log, ...facts } = document
  if (log === null) return 'unlogged'
  const salt = saltOf(log, place)
  if (salt === null) return 'different'
  const found = commitmentOf(facts, salt)
  return found.commitment === commitment.commitment && found.bytes === commitment.bytes ? 'kept' : 'different'
}

const MEMBERS = 'origin,first,last,size,unpublished,salt'

/** Null: it is no `log` of a document, or of another run's. */
function saltOf(log: unknown, place: EntryRange): Buffer | null {
  if (typeof log !== 'object' || log === null || Object.keys(log).join() !== MEMBERS) return null
  const { first, last, salt } = log as Readonly<Record<string, unknown>>
  if (last !== place.last || (place.first !== null && first !== place.first) || typeof salt !== 'string') return null
  const bytes = Buffer.from(salt, 'base64')
  return bytes.byteLength === SALT_BYTES && bytes.toString('base64') === salt ? bytes : null
}

/** @throws SyntaxError */
export function parseDocument(text: string): Readonly<Record<string, unknown>> {
  const value: unknown = JSON.parse(text)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new SyntaxError('it is no run document')
  return value as Record<string, unknown>
}

function parsedOrNull(text: string): Readonly<Record<string, unknown>> | null {
  try {
    return parseDocument(text)
  } catch (error) {
    if (error instanceof SyntaxError) return null
    throw error
  }
}

/** Of its text as ECMAScript's `JSON.stringify` has it, whose order of members survives being read. */
function commitmentOf(facts: object, salt: Uint8Array): Commitment {
  const text = Buffer.from(JSON.stringify(facts))
  const hash = createHash('sha256').update(salt).update(text)
  return { commitment: hash.digest('base64'), bytes: text.byteLength }
}
