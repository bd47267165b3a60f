// SPDX-License-Identifier: Apache-2.0
export type * from './contract.ts'
export { STEP_FILES } from './contract.ts'
export { createEngine } from './engine.ts'
export { EngineError, type EngineErrorCode } from './errors.ts'
export { previewMatrix } from './job-expansion.ts'
export { expandMatrix, MATRIX_JOBS_MAX, type MatrixCombination } from './matrix.ts'
export { COMMAND_LINE_BYTES_MAX, createOutputScanner, type OutputScanner, type ScannedItem } from './output-scanner.ts'
export type { CommandName } from './workflow-command.ts'
