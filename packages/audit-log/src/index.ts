// SPDX-License-Identifier: Apache-2.0
export { ADD_CHECKPOINT_BYTES_MAX, type AddCheckpoint, formatAddCheckpoint, parseAddCheckpoint } from './add-checkpoint.ts'
export { AuditLogError, type AuditLogErrorCode } from './audit-log-error.ts'
export { formatCheckpoint, parseCheckpoint } from './checkpoint.ts'
export type * from './contract.ts'
export { canonicalJson, JSON_DEPTH_MAX } from './entry/canonical-json.ts'
export { BUNDLE_BYTES_MAX, decodeEntries, ENTRY_BYTES_MAX, encodeEntries } from './entry/entry-bundle.ts'
export {
  commitTo,
  encodeEntry,
  isCount,
  JOB_CLOSED,
  parseEntry,
  SALT_BYTES,
  SOURCE_CLOSED,
  SOURCE_GAP,
  SOURCE_OPENED,
} from './entry/log-entry.ts'
export { type EntryRange, type IndexedEntry, readEntries } from './entry/read-entries.ts'
export { type FollowedKeys, followKeys, formatKeys, hasKey, KEYS_BYTES_MAX, KEYS_PATH, parseKeys } from './key-chain.ts'
export { formatRotation, type KeyRotation, type RotatedEpoch, trustedEpochs } from './key-epochs.ts'
export {
  type Cosigner,
  cosignatureSigner,
  cosignatureVerifier,
  ed25519Signer,
  ed25519Verifier,
  type NoteSigner,
  type NoteVerifier,
  noteVerifier,
  type VerifiedSignature,
} from './note/keys.ts'
export {
  formatNote,
  formatSignatureLines,
  NOTE_BYTES_MAX,
  NOTE_SIGNATURES_MAX,
  type Note,
  type NoteSignature,
  parseNote,
  parseSignatureLines,
} from './note/note.ts'
export { openNote, verifiedSignatures } from './note/open-note.ts'
export {
  formatVerifierKey,
  parseVerifierKey,
  SIGNATURE_TYPE,
  type SignatureType,
  type VerifierKey,
  verifierKeyOf,
} from './note/verifier-key.ts'
export { evaluatePolicy, type PolicyDecision, type PolicyProblem, type WitnessStatement } from './policy/evaluate-policy.ts'
export { type Policy, type PolicyGroup, type PolicyLog, type PolicyWitness, parsePolicy } from './policy/parse-policy.ts'
export { type EntryProofRequest, proveEntry } from './prove-entry.ts'
export { formatProof, type ProofDecision, parseProof, type TlogProof, verifyProof } from './tlog-proof.ts'
export { CompactRange } from './tree/compact-range.ts'
export { emptyRoot, equalHashes, HASH_BYTES, leafHash, nodeHash, TreeHasher } from './tree/hash.ts'
export { edgeAt, proveConsistency, proveInclusion, rootAt } from './tree/prove.ts'
export { entriesPath, hashesAt, parseTilePath, TILE_HEIGHT, TILE_WIDTH, type Tile, tilePath, tilesOf, tileWidth } from './tree/tile.ts'
export { TileHashes } from './tree/tile-hashes.ts'
export {
  type ConsistencyClaim,
  type InclusionClaim,
  type Subtree,
  verifyConsistency,
  verifyInclusion,
  verifySubtreeConsistency,
  verifySubtreeInclusion,
} from './tree/verify-proof.ts'
export type { Clock, Trust } from './verify/checkpoint-check.ts'
export type { ExpectedEntry } from './verify/expected-entries.ts'
export type { Finding, FindingKind, Manipulation } from './verify/finding.ts'
export type { RememberedHead } from './verify/head-check.ts'
export type { DurableTree } from './verify/tree-check.ts'
export { type LogReport, type LogVerification, verifyLog } from './verify/verify-log.ts'
