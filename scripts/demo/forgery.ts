// SPDX-License-Identifier: Apache-2.0
// What root of the host does to the record afterwards, and what the log says of it.
import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Check {
  readonly exitCode: number
  readonly output: string
}

export interface Forgery {
  readonly before: Check
  readonly after: Check
}

/** Where the stolen secret was to go, and where it shall have gone. As long as each other: nothing else changes. */
export const FORGED: readonly [string, string] = ['192.0.2.1:443', '192.0.2.9:443']

/** `verify`: `sallyport audit verify` of this state directory. */
export async function forgeRecord(state: string, verify: () => Promise<Check>): Promise<Forgery> {
  const before = await verify()
  const [from, to] = FORGED
  for (const name of globSync('audit/log/tile/entries/**', { cwd: state, withFileTypes: true })) {
    if (!name.isFile()) continue
    const path = join(name.parentPath, name.name)
    const text = readFileSync(path, 'latin1')
    if (text.includes(from)) writeFileSync(path, text.replaceAll(from, to), 'latin1')
  }
  return { before, after: await verify() }
}
