// SPDX-License-Identifier: Apache-2.0
// `make demo`: runs the examples, each in a temporary copy with a state directory of its own, and checks how they end.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { formatDuration } from '@sallyport/core'
import { copyExample, type Example, readExamples } from '@sallyport/testkit'
import { becomeRoot, sallyport } from './demo/sallyport.ts'

interface Ending {
  readonly example: Example
  readonly exitCode: number
  readonly durationMs: number
}

const say = (text: string): boolean => process.stdout.write(`${text}\n`)

async function runExample(example: Example, state: string): Promise<Ending> {
  say(`\n── examples/${example.name}: ${example.about}`)
  say(`   $ sallyport run ${example.arguments.join(' ')}\n`)
  using copy = copyExample(example.name)
  const startedAt = performance.now()
  const { exitCode } = await sallyport({
    arguments: ['run', '--state', state, ...example.arguments],
    directory: copy.directory,
    environment: example.environment,
    show: true,
    timeoutMs: 5 * 60_000,
  })
  return { example, exitCode, durationMs: performance.now() - startedAt }
}

function describe({ example, exitCode, durationMs }: Ending): string {
  const right = exitCode === example.exitCode
  const words = right ? `exit code ${exitCode}, as expected` : `exit code ${exitCode}, expected ${example.exitCode}`
  return `${right ? '✓' : '✗'} examples/${example.name}: ${words}, ${formatDuration(durationMs)}`
}

const NEXT = `
Each job ran in a sandbox of its own, on a copy of the project, without network and without your files; nothing of it is left.

What to try next:
  make demo-attack                       a hijacked dependency, beside a runner without walls
  cd YOUR/PROJECT && PATH_TO/sallyport run --list      what your own workflows would do
  cd YOUR/PROJECT && PATH_TO/sallyport run             and do it
  ./sallyport exec -- make               one command in the same sandbox
  ./sallyport doctor                     what this machine can enforce`

async function main(): Promise<void> {
  const state = mkdtempSync(join(tmpdir(), 'sallyport-demo-'))
  const endings: Ending[] = []
  try {
    for (const example of readExamples().filter(({ demo }) => demo)) endings.push(await runExample(example, state))
  } finally {
    rmSync(state, { recursive: true, force: true })
  }
  say(`\n${endings.map(describe).join('\n')}`)
  const allRight = endings.every(({ example, exitCode }) => exitCode === example.exitCode)
  if (allRight) say(NEXT)
  process.exitCode = allRight ? 0 : 1
}

becomeRoot(import.meta.filename)
await main()
