// SPDX-License-Identifier: Apache-2.0
// scripts/check.ts [--fix]: everything that can be said about the code without building a sandbox, one line for each check, and
// the whole output of those that fail. With --fix, format and lint mend what they can first.
import { spawn, spawnSync } from 'node:child_process'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const bin = (name: string): string => join(root, 'node_modules/.bin', name)

interface Check {
  readonly name: string
  readonly argv: readonly string[]
}

/** The longest first: two run at a time. */
const checks: readonly Check[] = [
  { name: 'types', argv: [bin('tsc'), '--build'] },
  { name: 'unit tests', argv: ['scripts/test.ts', 'unit'] },
  { name: 'unused code', argv: [bin('knip'), '--no-progress', '--no-config-hints'] },
  { name: 'architecture', argv: ['scripts/test.ts', 'arch'] },
  { name: 'lint', argv: [bin('biome'), 'check', '--formatter-enabled=false', '--max-diagnostics=100'] },
  { name: 'format', argv: [bin('biome'), 'format', '--max-diagnostics=20'] },
]

interface Verdict {
  readonly isFine: boolean
  readonly output: string
  readonly seconds: string
}

function run({ argv }: Check): Promise<Verdict> {
  const startedMs = performance.now()
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', ...argv], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const chunks: Buffer[] = []
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    child.once('error', reject)
    child.once('close', (code) => {
      resolve({
        isFine: code === 0,
        output: Buffer.concat(chunks).toString('utf8'),
        seconds: ((performance.now() - startedMs) / 1000).toFixed(1),
      })
    })
  })
}

async function runAll(): Promise<boolean> {
  const waiting = [...checks]
  let isFine = true
  const work = async (): Promise<void> => {
    for (let check = waiting.shift(); check !== undefined; check = waiting.shift()) {
      const verdict = await run(check)
      isFine &&= verdict.isFine
      const line = `${verdict.isFine ? 'ok  ' : 'FAIL'} ${check.name} (${verdict.seconds} s)\n`
      process.stdout.write(verdict.isFine ? line : `${line}${verdict.output}\n`)
    }
  }
  await Promise.all([work(), work()])
  return isFine
}

const options = process.argv.slice(2)
const unknown = options.find((option) => option !== '--fix')
if (unknown !== undefined) {
  process.stderr.write(`check: unknown option "${unknown}"; the only one is --fix\n`)
  process.exit(2)
}
if (options.includes('--fix'))
  spawnSync(process.execPath, [bin('biome'), 'check', '--write', '--reporter=summary'], { cwd: root, stdio: 'inherit' })
process.exitCode = (await runAll()) ? 0 : 1
