// SPDX-License-Identifier: Apache-2.0
export type * from './contract.ts'
export { destroyFile, openFile, readWhole, syncDirectory, writeFileDurably } from './durable-file.ts'
export { lockExclusively } from './exclusive-lock.ts'
export { makePrivateDirectory } from './private-directory.ts'
export { type CommittedDocument, commitToDocument, type EntryRange } from './run-document.ts'
export { newRunId } from './run-id.ts'
export { createRunStore, readDocuments } from './run-store.ts'
export {
  RECORDS_MAX,
  type Receipt,
  type RecordLink,
  SHIPMENT_BYTES_MAX,
  type Shipment,
  type Transport,
} from './spool/contract.ts'
export { Spool, type SpoolCounts, type SpoolOptions } from './spool/spool.ts'
export { StoreError, type StoreErrorCode } from './store-error.ts'
export {
  type ArchivedRange,
  archiveAndPrune,
  archivedRange,
  minimumIndexOf,
  pruneLog,
  readableMinimum,
  sealArchive,
  verifyArchive,
  withArchives,
} from './transparency/archive.ts'
export type { Appended, CheckpointCosigner, SignedCheckpoint, TransparencyLog, TransparencyLogOptions } from './transparency/contract.ts'
export { directoryTileSource } from './transparency/directory-tile-source.ts'
export { type LogLook, lookAtLog } from './transparency/log-look.ts'
export { openTransparencyLog } from './transparency/open-log.ts'
export { type PayloadAbout, PayloadStore, type StoredPayload } from './transparency/payload-store.ts'
export { publishCheckpoint } from './transparency/publish-checkpoint.ts'
export { publishKeys } from './transparency/publish-keys.ts'
export { RefusedFiles } from './transparency/refused-files.ts'
export {
  holdOn,
  isDue,
  isHold,
  type LegalHold,
  LegalHolds,
  prunableIndex,
  type RetainedThing,
  type Retention,
} from './transparency/retention.ts'
