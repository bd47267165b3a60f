// SPDX-License-Identifier: Apache-2.0
export type * from './contract.ts'
export { writeFileDurably } from './durable-file.ts'
export { newRunId } from './run-id.ts'
export { createRunStore } from './run-store.ts'
export { StoreError, type StoreErrorCode } from './store-error.ts'
