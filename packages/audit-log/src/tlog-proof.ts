// SPDX-License-Identifier: Apache-2.0
// C2SP tlog-proof: all that somebody needs, beside an entry and a policy, to see offline that the entry is in the log.
import { Buffer } from 'node:buffer'
import { malformed } from './audit-log-error.ts'
import { parseCheckpoint } from './checkpoint.ts'
import type { Checkpoint, Hash } from './contract.ts'
import { formatHashLines, parseHashLines, parseHeadedNote } from './lines.ts'
import type { Note } from './note/note.ts'
import { evaluatePolicy, type PolicyDecision } from './policy/evaluate-policy.ts'
import type { Policy } from './policy/parse-policy.ts'
import { encodeUtf8, formatBase64, parseBase64, parseDecimal } from './text.ts'
import { verifyInclusion } from './tree/verify-proof.ts'

export interface TlogProof {
  /** Opaque, and not authenticated by anything. */
  readonly extra: Uint8Array | null
  readonly index: number
  readonly proof: readonly Hash[]
  /** The signed checkpoint, verbatim. */
  readonly checkpoint: Uint8Array
}

const WHAT = 'proof'
const FIRST_LINE = 'c2sp.org/tlog-proof@v1'
/** Room for an entry (64 KiB) as extra data, with what surrounds it. */
const HEAD_BYTES_MAX = 256 * 1024

/** @throws AuditLogError `AUDIT_LOG_MALFORMED` */
export function parseProof(bytes: Uint8Array): TlogProof & { readonly note: Note } {
  const { lines, note, noteBytes } = parseHeadedNote(WHAT, bytes, HEAD_BYTES_MAX)
  const [first, ...others] = lines
  if (first !== FIRST_LINE) throw malformed(WHAT, `its first line is not "${FIRST_LINE}"`)
  const extra = others[0]?.startsWith('extra ') === true ? parseBase64(others[0].slice('extra '.length)) : undefined
  if (extra === null) throw malformed(WHAT, 'its extra data is not base64')
  const [indexLine = '', ...hashes] = extra === undefined ? others : others.slice(1)
  const index = indexLine.startsWith('index ') ? parseDecimal(indexLine.slice('index '.length)) : null
  if (index === null) throw malformed(WHAT, 'it has no line with the index')
  return { extra: extra ?? null, index, proof: parseHashLines(WHAT, hashes), checkpoint: noteBytes, note }
}

export function formatProof({ extra, index, proof, checkpoint }: TlogProof): Uint8Array {
  const extraLine = extra === null ? '' : `extra ${formatBase64(extra)}\n`
  return Buffer.concat([encodeUtf8(`${FIRST_LINE}\n${extraLine}index ${index}\n${formatHashLines(proof)}\n`), checkpoint])
}

export type ProofDecision =
  | { readonly isProven: true; readonly checkpoint: Checkpoint; readonly policy: PolicyDecision & { readonly isAccepted: true } }
  | { readonly isProven: false; readonly reason: string }

/**
 * Whether `bytes` prove that the entry with the hash `leaf` is in a log that `policy` names, under a checkpoint with the
 * quorum that it asks for. Everything in `bytes` is untrusted.
 *
 * @throws AuditLogError `AUDIT_LOG_MALFORMED`
 */
export function verifyProof(bytes: Uint8Array, leaf: Hash, policy: Policy): ProofDecision {
  const { index, proof, note } = parseProof(bytes)
  const decision = evaluatePolicy(policy, note)
  if (!decision.isAccepted) return { isProven: false, reason: decision.reason }
  const checkpoint = parseCheckpoint(note.text)
  if (!verifyInclusion({ leaf, index, head: checkpoint, proof }))
    return { isProven: false, reason: `the checkpoint does not have this entry at index ${index}` }
  return { isProven: true, checkpoint, policy: decision }
}
