// SPDX-License-Identifier: Apache-2.0
import { existsSync, globSync } from 'node:fs'
import { join } from 'node:path'

/** Where Debian keeps the programs of the newest version that is installed; null: there is none. */
export function postgresPrograms(): string | null {
  const found = globSync('/usr/lib/postgresql/*/bin').filter((path) => existsSync(join(path, 'initdb')))
  return found.toSorted((a, b) => versionOf(b) - versionOf(a))[0] ?? null
}

function versionOf(path: string): number {
  return Number(path.split('/').at(-2))
}
