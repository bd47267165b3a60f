// SPDX-License-Identifier: Apache-2.0
import { AuditLogError } from './audit-log-error.ts'
import { parseCheckpoint } from './checkpoint.ts'
import type { HashReader, TileSource } from './contract.ts'
import { readEntries } from './entry/read-entries.ts'
import { parseNote } from './note/note.ts'
import { formatProof } from './tlog-proof.ts'
import { leafHash } from './tree/hash.ts'
import { proveInclusion } from './tree/prove.ts'
import { TileHashes } from './tree/tile-hashes.ts'
import { verifyInclusion } from './tree/verify-proof.ts'

export interface EntryProofRequest {
  readonly source: TileSource
  /** The signed checkpoint that the proof is to lead to. */
  readonly checkpoint: Uint8Array
  readonly index: number
  /** Where it was read already; it is compared with the checkpoint all the same. */
  readonly entry?: Uint8Array
  /** For several proofs from one log: tiles that were read stay. */
  readonly hashes?: HashReader
}

/**
 * A `.tlog-proof` that stands alone: its extra data is the entry itself. It is checked before it is handed out.
 *
 * @throws AuditLogError `AUDIT_LOG_DIFFERENT` when the tree does not come to the checkpoint's root, and as `readEntries` does.
 */
export async function proveEntry({ source, checkpoint, index, entry, hashes }: EntryProofRequest): Promise<Uint8Array> {
  const head = parseCheckpoint(parseNote(checkpoint).text)
  const reader = hashes ?? new TileHashes(source, head.size)
  const proof = await proveInclusion(reader, index, head.size)
  const bytes = entry ?? (await readEntry(source, head.size, index))
  if (!verifyInclusion({ leaf: leafHash(bytes), index, head, proof }))
    throw new AuditLogError('AUDIT_LOG_DIFFERENT', `Cannot prove entry ${index}: the tiles do not come to the root that was signed`)
  return formatProof({ extra: bytes, index, proof, checkpoint })
}

async function readEntry(source: TileSource, size: number, index: number): Promise<Uint8Array> {
  for await (const { bytes } of readEntries(source, { size, from: index, to: index + 1 })) return bytes
  throw new RangeError(`No entry ${index} among ${size}`)
}
