// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeSink, runCli } from '../_harness.ts'
import { showLine } from './command-line.ts'
import { renderFrame, renderStep } from './frame.ts'
import { LineBuffer } from './line-buffer.ts'
import { LiveView } from './live-view.ts'
import { PlainView } from './plain-view.ts'
import type { JobState } from './run-model.ts'
import { quoteForShell } from './shell-quote.ts'
import { createStyle } from './style.ts'
import { fit, widthOf } from './width.ts'

const style = createStyle(false)

function jobState(change: Partial<JobState>): JobState {
  return { key: 'build', name: 'build', state: 'running', startedAtMs: 1000, durationMs: null, message: null, steps: [], ...change }
}

const STEPS = ['a', 'b', 'c', 'd', 'e'].map((name, index) => ({
  id: String(index + 1),
  name,
  state: index === 4 ? 'running' : 'success',
  startedAtMs: 3000,
  durationMs: index === 4 ? null : 500,
  message: null,
}))

test('the frame shows running jobs with their steps, and counts those that wait', () => {
  const jobs = [
    jobState({ steps: STEPS }),
    jobState({ key: 'x', name: 'lint', state: 'preparing' }),
    jobState({ state: 'queued' }),
    jobState({ state: 'success' }),
  ]
  assert.deepEqual(renderFrame(jobs, { columns: 80, rows: 24, nowMs: 4000, style }), [
    '⠋ build 3.0s',
    '  ✓ a 500ms',
    '  ✓ b 500ms',
    '  ✓ c 500ms',
    '  ✓ d 500ms',
    '  ⠋ e 1.0s',
    '⠋ lint 3.0s preparing',
    '  1 queued',
  ])
})

test('the frame never has more rows or columns than the terminal', () => {
  const jobs = Array.from({ length: 40 }, (_, index) =>
    jobState({ key: String(index), name: `漢字 job ${index} ${'x'.repeat(100)}`, steps: STEPS }),
  )
  for (const [columns, rows] of [
    [80, 24],
    [20, 5],
    [10, 2],
    [1, 1],
  ] as const) {
    const lines = renderFrame([...jobs, jobState({ state: 'queued' })], { columns, rows, nowMs: 0, style: createStyle(true) })
    assert.ok(lines.length <= Math.max(1, rows - 1), `${lines.length} lines of ${rows}`)
    for (const line of lines) assert.ok(widthOf(line) <= columns, JSON.stringify(line))
  }
})

test('text is cut by the columns that it takes, and colours are closed', () => {
  assert.equal(fit('漢字漢字', 5), '漢字…\x1b[0m')
  assert.equal(fit('\x1b[31mabcdef\x1b[0m', 4), '\x1b[31mabc…\x1b[0m')
  assert.equal(fit('abcd', 4), 'abcd')
  assert.equal(widthOf('e\u0301🙂'), 3)
})

test('a long name of a step gives way to its time; the end of an action is not nested under another step', () => {
  const step = { id: '4.post', name: 'Post '.repeat(20), state: 'success', startedAtMs: 0, durationMs: 41, message: null }
  assert.match(renderStep(step, { style, nowMs: 0, columns: 40 }), /^ {2}✓ Post Post .*….* 41ms$/)
  assert.match(renderStep({ ...step, id: '4.1', name: 'Build' }, { style, nowMs: 0, columns: 40 }), /^ {4}✓ Build 41ms$/)
})

test('a line without end takes bounded memory and says what was cut', () => {
  const buffer = new LineBuffer()
  const lines: string[] = []
  const chunk = Buffer.alloc(2 ** 16, 'x')
  for (let index = 0; index < 256; index += 1) buffer.write(chunk, (line) => lines.push(line))
  buffer.write(Buffer.from('\nnext\nlast'), (line) => lines.push(line))
  buffer.end((line) => lines.push(line))
  assert.deepEqual(
    lines.map((line) => line.slice(-40)),
    [lines[0]?.slice(-40), 'next', 'last'],
  )
  assert.match(lines[0] ?? '', /^x{8192} … \(16769024 bytes more in the record\)$/)
})

test('workflow commands are shown as what they mean', () => {
  assert.equal(showLine('::group::Install'), '▶ Install')
  assert.equal(showLine('::endgroup::'), null)
  assert.equal(showLine('::error file=a.js,line=1::no%0Away'), 'Error: no way')
  assert.equal(showLine('::unknown::x'), '::unknown::x')
  assert.equal(showLine('::constructor::x'), '::constructor::x')
  assert.equal(showLine('a ::group::b'), 'a ::group::b')
})

test('words are quoted for a shell', () => {
  assert.equal(quoteForShell('test (20)'), "'test (20)'")
  assert.equal(quoteForShell("a'; rm -rf /"), "'a'\\''; rm -rf /'")
})

test('without a terminal every line of output carries job and step', async () => {
  const { stdout, stderr, exitCode } = await runCli(['run'])
  const lines = stdout.split('\n')
  assert.equal(lines[0], 'build | Check out | fetching')
  assert.equal(lines[1], 'test (20) | Run tests | ▶ Install')
  assert.equal(lines[2], 'test (20) | Run tests | ok 1')
  assert.ok(lines.includes('test (20) | Run tests | last line without newline'))
  assert.match(stderr, /^test \(20\) \| Run tests \| failure in 1\.5s: exit code 3$/m)
  assert.equal(exitCode, 1)
})

test('on a terminal that is stdout alone, hostile output is made harmless and keeps its prefix', () => {
  const stdout = new FakeSink(true)
  const view = new PlainView({ stdout, stderr: new FakeSink(), allowsColor: false })
  view.output('build', '1', Buffer.from('\x1b[2Jreal\rbuild | 1 | forged\r\n'))
  view.close()
  assert.equal(stdout.text, 'build | 1 | real\nbuild | 1 | build | 1 | forged\n')
})

test('the live view scrolls finished jobs up, with the end of what a failed step printed', async () => {
  const { stdout, stderr } = await runCli(['run'], { terminal: true })
  const shown = stdout.slice(0, stdout.indexOf('\n\nfailure: '))
  const oks = Array.from({ length: 17 }, (_, index) => `    │ ok ${index + 14}`)
  assert.deepEqual(shown.split('\n'), [
    '✓ build 900ms',
    '  ✓ Check out 400ms',
    '✗ test (20) 2.1s',
    '  ✓ Check out 410ms',
    '  ✗ Run tests 1.5s',
    "    │ … 13 earlier lines: sallyport runs log 20261122-201501-ab12cd --job 'test (20)' --step 2",
    ...['    │ ok 13', ...oks].slice(-18),
    '    │ not ok <U+202E>evil<U+202C>',
    '    │ overwritten',
    '    │ last line without newline',
    '    exit code 3',
    '  – Publish skipped',
    '– deploy skipped: test did not succeed',
  ])
  assert.ok(stderr.startsWith('\x1b[?25l'), 'the cursor is hidden')
  assert.ok(stderr.endsWith('\x1b[?25h'), 'and shown again')
})

test('each repaint erases exactly what the last one painted, also after the terminal became narrower', () => {
  const stderr = new FakeSink(true)
  const view = new LiveView({ stdout: new FakeSink(true), stderr, style, allowsColor: false, now: () => 0 })
  const event = { seq: 1, run: 'r', at: new Date(0).toISOString(), job: 'b' }
  view.event({ ...event, type: 'job.preparing', data: { name: 'x'.repeat(50) } })
  view.note('one')
  stderr.text = ''
  stderr.columns = 20
  view.note('two')
  view.close()
  assert.ok(stderr.text.startsWith(`\r${'\x1b[A\x1b[2K'.repeat(4)}two\n`), 'a line of 66 columns now takes four rows')
})

test('NO_COLOR leaves no colour, and a terminal with colours gets them', async () => {
  assert.doesNotMatch((await runCli(['run'], { terminal: true, color: false })).stdout, /\x1b\[/)
  assert.match((await runCli(['run'], { terminal: true, color: true })).stdout, /\x1b\[31mnot ok\x1b\[0m/)
})

test('with --json every event is a line and the document is the last', async () => {
  const lines = (await runCli(['run', '--json'])).stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  assert.deepEqual(
    lines.slice(0, -1).map(({ seq }) => seq),
    lines.slice(0, -1).map((_, index) => index + 1),
  )
  assert.equal(lines.at(-1).conclusion, 'failure')
})

test('the summary says what jobs did, what was refused, who got which secret and where the record is', async () => {
  const { stdout } = await runCli(['run'])
  assert.equal(
    stdout.slice(stdout.indexOf('\nfailure: ') + 1),
    `failure: 3 jobs in 2.5s

✓ build 900ms  1 step, host (Debian 12), oci (runc 1.1.5), 26 self-checks passed
  ✓ Check out  400ms
✗ test (20) 2.1s  3 steps, host (Debian 12), oci (runc 1.1.5), 26 self-checks passed, failed at "Run tests"
  ✓ Check out  410ms
  ✗ Run tests  1.5s
  – Publish    skipped
– deploy skipped

Doors used
  build | Check out  registry.example.test:443  tls, 3 connections  1.2 KiB out, 4.5 MiB in  sallyport.yml:4

Doors refused
  test (20) | Run tests  evil.example.test:443 ×12  no rule names it
      add "evil.example.test:443" to jobs.test.egress in sallyport.yml

Refused
  test (20) | Run tests  pids  512 processes

Secrets delivered
  TOKEN  test (20) | Run tests  env

Record: sallyport runs show 20261122-201501-ab12cd
`,
  )
})
