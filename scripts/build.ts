// SPDX-License-Identifier: Apache-2.0
// Builds what the launcher and the sandbox need: the static helper in build/native/ and the command line's bundle in dist/.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, rmSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'

const root = join(import.meta.dirname, '..')
const dist = join(root, 'dist')
const entryFile = join(dist, 'sallyport.mjs')

// Bundled CommonJS packages call require() for Node's own modules, which an ES module does not have.
const requireBanner = "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);"

/** All files land flat in dist/, so that `import.meta.dirname` is the same for the entry and for every lazy chunk. */
async function buildBundle(): Promise<void> {
  const startedAt = new Date()
  mkdirSync(dist, { recursive: true })
  const result = await build({
    absWorkingDir: root,
    entryPoints: [{ in: 'packages/cli/src/main.ts', out: 'sallyport' }],
    outdir: dist,
    outExtension: { '.js': '.mjs' },
    chunkNames: '[name]-[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    // koffi finds its prebuilt .node file beside itself
    external: ['koffi'],
    banner: { js: requireBanner },
    legalComments: 'linked',
    metafile: true,
    logLevel: 'warning',
  })
  const written = new Set(Object.keys(result.metafile.outputs).map((file) => file.slice('dist/'.length)))
  for (const file of readdirSync(dist)) if (!written.has(file)) rmSync(join(dist, file), { recursive: true })
  // The launcher compares times: a source that changed while we were building must count as newer than the bundle.
  utimesSync(entryFile, startedAt, startedAt)
  const bytes = Object.values(result.metafile.outputs).reduce((sum, output) => sum + output.bytes, 0)
  report(`dist/sallyport.mjs: ${Math.round(bytes / 1024)} KiB in ${written.size} files, ${Date.now() - startedAt.getTime()} ms`)
}

function buildHelper(): void {
  const made = spawnSync('make', ['--silent', '-C', join(root, 'native')], { stdio: 'inherit' })
  if (made.status !== 0) {
    report('native/ did not compile (the compiler says why above)')
    process.exit(1)
  }
  const helper = readFileSync(join(root, 'build/native/sallyport-helper'))
  report(`build/native/sallyport-helper: sha256 ${createHash('sha256').update(helper).digest('hex')}`)
}

function report(line: string): void {
  process.stderr.write(`build: ${line}\n`)
}

buildHelper()
try {
  await buildBundle()
} catch (error) {
  // esbuild has named file, line and reason already; anything else is a defect of ours
  if (!(error instanceof Error && 'errors' in error)) throw error
  report('dist/ was not built (the bundler says why above)')
  process.exitCode = 1
}
