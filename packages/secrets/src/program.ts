// SPDX-License-Identifier: Apache-2.0
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const NODE_FLAGS: readonly string[] = ['--max-old-space-size=128', '--disable-proto=delete', '--no-warnings']

/** From the bundle: broker.cjs beside the file that this runs from. From the sources: they. */
export function brokerArgv(): readonly string[] {
  const here = fileURLToPath(import.meta.url)
  const main = join(dirname(here), here.endsWith('.ts') ? 'main.ts' : 'broker.cjs')
  return [process.execPath, ...NODE_FLAGS, main]
}
