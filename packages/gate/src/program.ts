// SPDX-License-Identifier: Apache-2.0
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** How the gate's process is started; see `GateLaunch` of packages/sandbox. */
export interface GateProgram {
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** What it reads until it says that it is ready. */
  readonly files: readonly string[]
}

/**
 * Its heap is bounded well above what the limits on connections and names let it hold, so that a leak ends one job and not the machine. Not among them: V8's flag
 * against code from strings, with which none of the code that Node brings compiled fits any more (20 ms).
 */
const NODE_FLAGS: readonly string[] = [
  '--max-old-space-size=192',
  '--max-semi-space-size=8',
  '--disable-proto=delete',
  '--no-addons',
  '--no-warnings',
]

/** From the bundle: gate.mjs beside the file that this runs from. From the sources: they, with what they import. */
export function gateProgram(): GateProgram {
  const here = fileURLToPath(import.meta.url)
  const sources = here.endsWith('.ts')
  const main = join(dirname(here), sources ? 'main.ts' : 'gate.mjs')
  const root = join(dirname(here), '../../..')
  const files = sources ? [join(root, 'packages'), join(root, 'node_modules')] : [main]
  return { argv: [process.execPath, ...NODE_FLAGS, main], env: {}, files: [process.execPath, ...files] }
}
