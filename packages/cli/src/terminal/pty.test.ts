// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { makeTemporaryDirectory } from '../_harness.ts'
import { quoteForShell } from './shell-quote.ts'

const MAIN = join(import.meta.dirname, '../_fake-main.ts')
const NO_SCRIPT = spawnSync('script', ['--version']).status === 0 ? false : 'script(1) of util-linux makes the terminal'
const SHOW_CURSOR = '\x1b[?25h'

/** Starts the command line on a terminal of its own; `redirect` is shell text. */
function startOnTerminal(argv: readonly string[], env: Readonly<Record<string, string>>, redirect = ''): ChildProcessWithoutNullStreams {
  const command = `exec ${[process.execPath, MAIN, ...argv].map(quoteForShell).join(' ')} ${redirect}`
  return spawn('script', ['-qec', command, '/dev/null'], { env: { PATH: process.env['PATH'], TERM: 'xterm', ...env } })
}

async function readAll(
  child: ChildProcessWithoutNullStreams,
  each: (soFar: string) => void = () => undefined,
): Promise<{ output: string; code: number }> {
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
    each(output)
  })
  const [code] = (await once(child, 'close')) as [number]
  return { output, code }
}

test('on a terminal the tree is repainted, and the cursor comes back', { skip: NO_SCRIPT }, async () => {
  const { output, code } = await readAll(startOnTerminal(['run'], { FAKE_PACE: '0.5' }))
  assert.equal(code, 1)
  assert.match(output, /\r(\x1b\[A\x1b\[2K)+/)
  assert.match(output, /⠋|⠙|⠹/)
  assert.match(output, /Record: sallyport runs show/)
  assert.ok(output.lastIndexOf(SHOW_CURSOR) > output.lastIndexOf('\x1b[?25l'))
})

test('Ctrl-C on a terminal cancels with 130 and gives the cursor back', { skip: NO_SCRIPT }, async () => {
  const child = startOnTerminal(['run'], { FAKE_PACE: '1' })
  let pressed = 0
  const press = (): void => {
    pressed += 1
    child.stdin.write('\x03')
  }
  const { output, code } = await readAll(child, (soFar) => {
    if (pressed === 0 && soFar.includes('preparing')) press()
    else if (pressed === 1 && soFar.includes('press Ctrl-C again')) press()
  })
  assert.equal(code, 130)
  assert.match(output, /sallyport: killing/)
  assert.ok(output.trimEnd().lastIndexOf(SHOW_CURSOR) > output.lastIndexOf('\x1b[?25l'))
})

test('a terminal that goes away ends what runs on it', { skip: NO_SCRIPT }, async (t) => {
  const notes = join(makeTemporaryDirectory(t), 'notes')
  const child = startOnTerminal(['exec', '--', 'x'], { FAKE_FLOOD_MIB: '100000' }, `2> ${quoteForShell(notes)}`)
  child.stdout.once('data', () => child.kill('SIGKILL'))
  await once(child, 'close')
  const deadline = Date.now() + 120_000
  while (Date.now() < deadline && !(existsSync(notes) && readFileSync(notes, 'utf8').includes('killed'))) await sleep(20)
  assert.match(readFileSync(notes, 'utf8'), /killed true/)
})

test('1 GiB without a newline does not grow the memory, for a pipe and for a terminal', { skip: NO_SCRIPT }, async (t) => {
  const notes = join(makeTemporaryDirectory(t), 'notes')
  await readAll(startOnTerminal(['run'], { FAKE_FLOOD_MIB: '1024' }, `2> ${quoteForShell(notes)}`))
  const piped = spawnSync(process.execPath, [MAIN, 'exec', '--', 'x'], {
    env: { ...process.env, FAKE_FLOOD_MIB: '1024' },
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
  })
  for (const text of [readFileSync(notes, 'utf8'), piped.stderr]) {
    const peakMib = Number(/peak (\d+) MiB/.exec(text)?.[1])
    assert.ok(peakMib > 0 && peakMib < 200, text)
  }
})
