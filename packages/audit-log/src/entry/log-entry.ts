// SPDX-License-Identifier: Apache-2.0
import { Buffer } from 'node:buffer'
import { malformed } from '../audit-log-error.ts'
import type { Commitment, LogEntry } from '../contract.ts'
import { decodeUtf8, encodeUtf8, formatBase64, parseHash } from '../text.ts'
import { sha256 } from '../tree/hash.ts'
import { canonicalJson } from './canonical-json.ts'
import { ENTRY_BYTES_MAX } from './entry-bundle.ts'

const WHAT = 'log entry'
/** Of source, type, job, step. */
const NAME_LENGTH_MAX = 1024

/** Types of a source's first and last entry, and of a job's last one. */
export const SOURCE_OPENED = 'source.opened'
export const SOURCE_CLOSED = 'source.closed'
export const JOB_CLOSED = 'job.closed'

/** Stands in the place of entries that never came: those with the numbers from its own `seq` to `data.last`. Whoever receives a source's entries writes it. */
export const SOURCE_GAP = 'source.gap'

/** What the log says about itself: that the entries before `data.end` are in an archive. */
export const LOG_SOURCE = 'log'
export const LOG_ARCHIVED = 'log.archived'

/** The leaf. @throws AuditLogError `AUDIT_LOG_MALFORMED` when it is too long: what is big belongs into a payload. */
export function encodeEntry(entry: LogEntry): Uint8Array {
  const bytes = encodeUtf8(canonicalJson(entry))
  if (bytes.length > ENTRY_BYTES_MAX) throw malformed(WHAT, `it has ${bytes.length} bytes, more than ${ENTRY_BYTES_MAX}`)
  return bytes
}

/** Takes the canonical form only: an entry has one spelling. @throws AuditLogError `AUDIT_LOG_MALFORMED` */
export function parseEntry(bytes: Uint8Array): LogEntry {
  const text = bytes.length > ENTRY_BYTES_MAX ? null : decodeUtf8(bytes)
  if (text === null) throw malformed(WHAT, 'it is too long, or not UTF-8')
  const value = parseJson(text)
  if (!isLogEntry(value)) throw malformed(WHAT, 'it does not have the properties of one')
  return value
}

function parseJson(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text)
    if (canonicalJson(value) === text) return value
  } catch (error) {
    throw malformed(WHAT, `it is not JSON that we would write (${error instanceof SyntaxError ? 'syntax' : 'content'})`)
  }
  throw malformed(WHAT, 'it is not in canonical form')
}

const PROPERTIES: ReadonlySet<string> = new Set(['at', 'data', 'job', 'private', 'seq', 'source', 'step', 'type', 'v'])

export function isLogEntry(value: unknown): value is LogEntry {
  if (!isObject(value) || !Object.keys(value).every((name) => PROPERTIES.has(name))) return false
  const { v, at, source, seq, type, job = '-', step = '-', data = {}, private: commitment } = value
  return (
    v === 1 &&
    isTime(at) &&
    [source, type, job, step].every(isName) &&
    isCount(seq) &&
    seq > 0 &&
    isObject(data) &&
    (commitment === undefined || isCommitment(commitment))
  )
}

function isCommitment(value: unknown): value is Commitment {
  if (!isObject(value) || Object.keys(value).length !== 2) return false
  const { commitment, bytes } = value
  return typeof commitment === 'string' && parseHash(commitment) !== null && isCount(bytes)
}

/** SHA-256(salt ‖ payload). The salt (32 random bytes) keeps short payloads from being guessed. */
export function commitTo(salt: Uint8Array, payload: Uint8Array): Commitment {
  if (salt.length !== SALT_BYTES) throw new RangeError(`A salt has ${SALT_BYTES} bytes, not ${salt.length}`)
  return { commitment: formatBase64(sha256(Buffer.concat([salt, payload]))), bytes: payload.length }
}

export const SALT_BYTES = 32

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= NAME_LENGTH_MAX
}

export function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function isTime(value: unknown): value is string {
  return typeof value === 'string' && /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/.test(value)
}
