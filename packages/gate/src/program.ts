// SPDX-License-Identifier: Apache-2.0
import { existsSync } from 'node:fs'
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
  '--max-semi-space-size=1',
  '--disable-proto=delete',
  '--no-addons',
  '--no-warnings',
]

/** Beside gate.cjs: its compiled code, which is good for the same flags only. */
const GATE_CACHE = 'gate-cache'

/** From the bundle: gate.cjs beside the file that this runs from. From the sources: they, with what they import. */
export function gateProgram(): GateProgram {
  const here = fileURLToPath(import.meta.url)
  return here.endsWith('.ts') ? fromSources(dirname(here)) : fromBundle(dirname(here))
}

function fromSources(here: string): GateProgram {
  const root = join(here, '../../..')
  const files = [process.execPath, join(root, 'packages'), join(root, 'node_modules')]
  return { argv: [process.execPath, ...NODE_FLAGS, join(here, 'main.ts')], env: {}, files }
}

/** For the build, too, which lets it run once without a supervisor: Node then leaves compiled code in the cache's directory. */
export function fromBundle(here: string): GateProgram {
  const main = join(here, 'gate.cjs')
  const cache = join(here, GATE_CACHE)
  // Made by the build: the gate itself cannot write.
  const files = [process.execPath, main, ...(existsSync(cache) ? [cache] : [])]
  return { argv: [process.execPath, ...NODE_FLAGS, main], env: { NODE_COMPILE_CACHE: cache }, files }
}
