// SPDX-License-Identifier: Apache-2.0
import { execFile } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** Only where the system's own programs live: never the caller's PATH, which root may have inherited from somebody. */
const PROGRAM_DIRECTORIES = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']

export function findProgram(name: string): string | null {
  for (const directory of PROGRAM_DIRECTORIES) {
    const path = join(directory, name)
    try {
      accessSync(path, constants.X_OK)
      return path
    } catch {
      // Not there: the next place is tried, and null says that none had it.
    }
  }
  return null
}

/** `1.1.5+ds1` of `runc version 1.1.5+ds1`. */
export async function readVersion(path: string): Promise<string> {
  const { stdout } = await promisify(execFile)(path, ['--version'], { env: {}, timeout: 5000 })
  return /version (\S+)/.exec(stdout)?.[1] ?? 'unknown'
}
