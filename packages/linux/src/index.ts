// SPDX-License-Identifier: Apache-2.0
export { tryLockFile } from './file-lock.ts'
export { forbidCoreDumps, makeUndumpable } from './process.ts'
