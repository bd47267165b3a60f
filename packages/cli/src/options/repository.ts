// SPDX-License-Identifier: Apache-2.0
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** The nearest directory above that holds `.git`, as git finds it; without one the directory itself. */
export function findRepository(directory: string): string {
  for (let candidate = directory; ; candidate = dirname(candidate)) {
    if (existsSync(join(candidate, '.git'))) return candidate
    if (dirname(candidate) === candidate) return directory
  }
}
