// SPDX-License-Identifier: Apache-2.0
import { execFile } from 'node:child_process'
import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { build } from 'esbuild'

const dist = join(import.meta.dirname, '../dist')

/**
 * What a program of this directory (`_NAME.ts`) prints, run as the product is: from a bundle that lies beside the gate's, since a gate that starts from its
 * sources takes several times as long.
 */
export async function runBundled(name: string, args: readonly string[] = []): Promise<string> {
  if (!existsSync(join(dist, 'gate.cjs'))) throw new Error('there is no bundle of the gate: run make build')
  const outfile = join(dist, `bench-${name}.cjs`)
  try {
    await build({
      entryPoints: [join(import.meta.dirname, `_${name}.ts`)],
      outfile,
      bundle: true,
      format: 'cjs',
      platform: 'node',
      target: 'node24',
      banner: { js: "const __bundleUrl = require('node:url').pathToFileURL(__filename).href;" },
      define: { 'import.meta.url': '__bundleUrl' },
      logLevel: 'error',
    })
    const { stdout } = await promisify(execFile)(process.execPath, [outfile, ...args], { timeout: 300_000 })
    return stdout
  } finally {
    rmSync(outfile, { force: true })
  }
}
