// SPDX-License-Identifier: Apache-2.0
export { KeyProcessClient, type KeyProcessKind } from './client.ts'
export type { Failure } from './contract.ts'
export { KeyFiles } from './key-files.ts'
export { type KeyProgram, spawnKeyProcess } from './key-process.spawn.ts'
export { type KeyProcess, runKeyProcess } from './serve.ts'
