// SPDX-License-Identifier: Apache-2.0
import { findBuiltFile } from './built-file.ts'

const NAME = 'sallyport-linux.node'

/** What `native/addon` offers: each call answers with 0 or its errno. */
export interface Addon {
  tryLock(fd: number): number
  tryLockShared(fd: number): number
  makeUndumpable(): number
  forbidCoreDumps(): number
  seekToEnd(fd: number): number
}

/** Costs a tenth of a millisecond, and a hundredth from the second time on. @throws Error where it was not built. */
export function loadAddon(): Addon {
  const path = findBuiltFile(NAME)
  if (path === null) throw new Error(`Cannot find "build/native/${NAME}": build it with "make build"`)
  const holder = { exports: {} as Addon }
  process.dlopen(holder, path)
  return holder.exports
}
