// SPDX-License-Identifier: Apache-2.0
import { existsSync, realpathSync } from 'node:fs'
import { posix, relative, resolve } from 'node:path'

/** What a state directory holds, for one that is the copied directory itself. */
const OWN_NAMES: readonly string[] = ['runs', 'sandbox']

/**
 * Whether a path (relative to `directory`) is Sallyport's own state. A `--state` directory inside what a job gets a copy of would hand
 * it the records of other runs, and grow while it is read.
 */
export function isOwnState(directory: string, stateDirectory: string): (path: string) => boolean {
  const state = relative(realPath(directory), realPath(stateDirectory))
  const own = state === '' ? OWN_NAMES : [state]
  return (path) => own.some((name) => path === name || path.startsWith(`${name}${posix.sep}`))
}

/** Without the links on the way; a directory that is not there yet has none. */
function realPath(path: string): string {
  return existsSync(path) ? realpathSync(path) : resolve(path)
}
