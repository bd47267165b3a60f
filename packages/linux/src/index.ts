// SPDX-License-Identifier: Apache-2.0
export { findBuiltFile } from './built-file.ts'
export { tryLockFile } from './file-lock.ts'
export { forbidCoreDumps, makeUndumpable } from './process.ts'
export { seekToEnd } from './seek.ts'
