// SPDX-License-Identifier: Apache-2.0
// Builds what the launcher and the sandbox need: the static helper in build/native/ and the command line's bundle in dist/.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, rmSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import type { Writable } from 'node:stream'
import { build, type Metafile } from 'esbuild'
import { fromBundle } from '../packages/gate/src/program.ts'

const root = join(import.meta.dirname, '..')
const dist = join(root, 'dist')
const entryFile = join(dist, 'sallyport.cjs')

/**
 * CommonJS: an ES module's imports of Node's own modules all load at its start, with everything that they would load later, also those of parts that are
 * loaded when they are called (20 ms for TLS and HTTP in the gate, 15 ms for streams and cryptography in the command line). One file each: of many small
 * ones each costs a millisecond.
 */
const common = {
  absWorkingDir: root,
  bundle: true,
  format: 'cjs',
  platform: 'node',
  target: 'node24',
  legalComments: 'linked',
  metafile: true,
  logLevel: 'warning',
} as const

/** For what looks up other files from where it lies itself. */
const located = {
  banner: { js: "const __bundleUrl = require('node:url').pathToFileURL(__filename).href;" },
  define: { 'import.meta.url': '__bundleUrl' },
} as const

/** The gate has no file system from the moment on that it is ready. */
function buildGate(): Promise<{ metafile: Metafile }> {
  return build({
    ...common,
    entryPoints: ['packages/gate/src/main.ts'],
    outfile: join(dist, 'gate.cjs'),
    define: { 'import.meta.url': '"bundle"' },
  })
}

/** The signer, the minter, the broker and the publisher are processes of their own, too; see packages/key-process/src/key-process.spawn.ts. */
function buildKeyProcess(entry: string, name: string): Promise<{ metafile: Metafile }> {
  return build({ ...common, ...located, entryPoints: [entry], outfile: join(dist, name) })
}

function buildCommandLine(): Promise<{ metafile: Metafile }> {
  return build({
    ...common,
    ...located,
    entryPoints: ['packages/cli/src/main.ts'],
    outfile: entryFile,
  })
}

async function buildBundle(): Promise<void> {
  const startedAt = new Date()
  mkdirSync(dist, { recursive: true })
  const outputs = (
    await Promise.all([
      buildCommandLine(),
      buildGate(),
      buildKeyProcess('packages/signer/src/main.ts', 'signer.cjs'),
      buildKeyProcess('packages/identity/src/main.ts', 'minter.cjs'),
      buildKeyProcess('packages/secrets/src/main.ts', 'broker.cjs'),
      buildKeyProcess('packages/publisher/src/main.ts', 'publisher.cjs'),
    ])
  ).map((result) => result.metafile.outputs)
  const written = new Set(outputs.flatMap(Object.keys).map((file) => file.slice('dist/'.length)))
  for (const file of readdirSync(dist)) if (!written.has(file)) rmSync(join(dist, file), { recursive: true })
  await compileGate()
  // The launcher compares times: a source that changed while we were building must count as newer than the bundle.
  utimesSync(entryFile, startedAt, startedAt)
  const bytes = outputs.flatMap(Object.values).reduce((sum: number, output: { bytes: number }) => sum + output.bytes, 0)
  report(`dist: ${Math.round(bytes / 1024)} KiB in ${written.size} files, ${Date.now() - startedAt.getTime()} ms`)
}

/** Node leaves compiled code behind when a program ends; a gate without a supervisor ends at once. */
async function compileGate(): Promise<void> {
  const { argv, env } = fromBundle(dist)
  const gate = spawn(argv[0] ?? '', argv.slice(1), { stdio: ['ignore', 'inherit', 'inherit', 'pipe'], env, timeout: 20_000 })
  const control = gate.stdio[3] as Writable
  control.end()
  control.on('error', () => undefined)
  const [code] = (await once(gate, 'exit')) as [number | null]
  if (code !== 0) throw new Error(`the gate does not start: it ended with ${code}`)
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
