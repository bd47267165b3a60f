// SPDX-License-Identifier: Apache-2.0
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Nothing in it works on more than a proof and a list of keys. */
const NODE_FLAGS: readonly string[] = ['--max-old-space-size=64', '--max-semi-space-size=1', '--disable-proto=delete', '--no-warnings']

/** From the bundle: signer.cjs beside the file that this runs from. From the sources: they. */
export function signerArgv(directory: string, origin: string): readonly string[] {
  const here = fileURLToPath(import.meta.url)
  const main = join(dirname(here), here.endsWith('.ts') ? 'main.ts' : 'signer.cjs')
  return [process.execPath, ...NODE_FLAGS, main, directory, origin]
}
