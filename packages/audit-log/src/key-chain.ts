// SPDX-License-Identifier: Apache-2.0
// The keys of a log as they are published beside its tree: nothing but what they have signed themselves, so that who reads it takes nobody's word.
import { Buffer } from 'node:buffer'
import { AuditLogError, malformed } from './audit-log-error.ts'
import { parseCheckpoint } from './checkpoint.ts'
import type { KeyEpoch } from './contract.ts'
import { type KeyRotation, parseRotation, type RotatedEpoch, trustedEpochs } from './key-epochs.ts'
import { parseNote } from './note/note.ts'
import { formatVerifierKey, type VerifierKey } from './note/verifier-key.ts'
import { decodeUtf8 } from './text.ts'

/** In the directory of a log, beside `checkpoint`. No name of C2SP tlog-tiles. There once a key was changed. */
export const KEYS_PATH = 'keys'

/** A key every day for some years. */
export const KEYS_BYTES_MAX: number = 4 * 2 ** 20

const WHAT = 'list of keys'

/** One change of key, both of it signed notes. */
interface PublishedRotation {
  /** Of the key before and the key after. */
  readonly rotation: string
  /** The last checkpoint of the key before. */
  readonly seal: string
}

/** Null while the first key signs: there is nothing to tell then. */
export function formatKeys(epochs: readonly RotatedEpoch[]): Uint8Array | null {
  const rotations = epochs.slice(1).map(({ rotation }, index): PublishedRotation => {
    const seal = epochs[index]?.seal ?? null
    if (rotation === null || seal === null) throw new TypeError('a key that was changed has left a seal and a note')
    return { rotation: Buffer.from(rotation).toString(), seal: Buffer.from(seal).toString() }
  })
  return rotations.length === 0 ? null : Buffer.from(`${JSON.stringify({ v: 1, rotations }, null, 1)}\n`)
}

/** Untrusted: what it says is for `trustedEpochs` to believe. @throws AuditLogError `AUDIT_LOG_MALFORMED` */
export function parseKeys(bytes: Uint8Array): RotatedEpoch[] {
  if (bytes.byteLength > KEYS_BYTES_MAX) throw malformed(WHAT, `it is longer than ${KEYS_BYTES_MAX} bytes`)
  const steps = parseRotations(decodeUtf8(bytes) ?? '').map(({ rotation, seal }) => ({
    ...readRotation(rotation),
    rotation: Buffer.from(rotation),
    seal: Buffer.from(seal),
  }))
  const [first] = steps
  if (first === undefined) throw malformed(WHAT, 'it has no rotation')
  const ends = steps.map(({ size, seal }) => ({ lastSize: size, seal }))
  const begins = [
    { key: first.oldKey, firstSize: 0, rotation: null },
    ...steps.map(({ newKey, size, rotation }) => ({ key: newKey, firstSize: size, rotation })),
  ]
  return begins.map((begin, index) => ({ ...begin, ...(ends[index] ?? { lastSize: null, seal: null }) }))
}

function readRotation(note: string): KeyRotation {
  return parseRotation(parseNote(Buffer.from(note)).text)
}

function parseRotations(text: string): readonly PublishedRotation[] {
  const value = parseJson(text)
  const { v, rotations } = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>
  if (v !== 1 || !Array.isArray(rotations) || !rotations.every(isRotation)) throw malformed(WHAT, 'it is not {"v":1,"rotations":[…]}')
  return rotations
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) throw malformed(WHAT, 'it is no JSON')
    throw error
  }
}

function isRotation(value: unknown): value is PublishedRotation {
  if (typeof value !== 'object' || value === null) return false
  const { rotation, seal } = value as Record<string, unknown>
  return typeof rotation === 'string' && typeof seal === 'string'
}

/** What somebody can believe about a log's keys who trusts some of them. */
export interface FollowedKeys {
  readonly epochs: readonly KeyEpoch[]
  /** Why a list that has a trusted key does not lead from it to the others; null: it does, or nobody says anything about other keys. */
  readonly problem: string | null
}

/**
 * The epochs that lead from one of `trusted` to the others, in the first of `lists` that does. Without one, the trusted keys sign whatever there is,
 * and nobody else does. The lists are untrusted.
 */
export function followKeys(trusted: readonly VerifierKey[], lists: readonly (readonly RotatedEpoch[])[]): FollowedKeys {
  let problem: string | null = null
  for (const list of lists)
    for (const key of trusted) {
      if (!hasKey(list, key)) continue
      const epochs = attempt(() => sealedEpochs(key.name, key, list))
      if (!(epochs instanceof AuditLogError)) return { epochs, problem: null }
      problem ??= epochs.message
    }
  return { epochs: trusted.map((key) => ({ key, firstSize: 0, lastSize: null, seal: null })), problem }
}

/** With every seal looked at for its size; whether its key has signed it is for `verifyLog` to say. */
function sealedEpochs(origin: string, trusted: VerifierKey, list: readonly RotatedEpoch[]): KeyEpoch[] {
  const epochs = trustedEpochs(origin, trusted, list)
  for (const { seal } of epochs) if (seal !== null) parseCheckpoint(parseNote(seal).text)
  return epochs
}

export function hasKey(epochs: readonly KeyEpoch[], wanted: VerifierKey): boolean {
  const text = formatVerifierKey(wanted)
  return epochs.some(({ key }) => formatVerifierKey(key) === text)
}

function attempt<Result>(work: () => Result): Result | AuditLogError {
  try {
    return work()
  } catch (error) {
    if (error instanceof AuditLogError) return error
    throw error
  }
}
