// SPDX-License-Identifier: Apache-2.0
export { findBuiltFile } from './built-file.ts'
export { tryLockFile, tryShareLock } from './file-lock.ts'
export { GATE_ID_BASE, type OuterNamespace, readOuterNamespace, SLOT_ID_BASE, SLOT_ID_DISTANCE } from './outer-namespace.ts'
export { forbidCoreDumps, makeUndumpable } from './process.ts'
export { seekToEnd } from './seek.ts'
export { programWords } from './source-program.ts'
