// SPDX-License-Identifier: Apache-2.0
// The runner decides whether everything else may be believed: each way a test file can deceive it is tried here.
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type FileResult, runFile } from './run-file.ts'
import { describeFailures } from './summary.ts'

const scratch = mkdtempSync(join(tmpdir(), 'sallyport-runner-'))
after(() => rmSync(scratch, { recursive: true, force: true }))

let files = 0
async function run(body: string, timeLimitMs = 240_000): Promise<FileResult> {
  files += 1
  const file = `case-${files}.mjs`
  writeFileSync(join(scratch, file), `import test, { describe, before, after } from 'node:test'\n${body}\n`)
  return await runFile(file, { root: scratch, scratch, timeLimitMs })
}

function brief({ outcome }: FileResult): unknown {
  return { passed: outcome.passed, failed: outcome.failures.map(({ name }) => name), skipped: outcome.skips }
}

describe('one test file', () => {
  test('counts leaf tests once and names failures by their whole path', async () => {
    const result = await run(`describe('a', () => { test('good', () => {}); test('bad', () => { throw new Error('boom') }) })`)
    assert.deepEqual(brief(result), { passed: 1, failed: ['a > bad'], skipped: [] })
    assert.match(result.outcome.failures[0]?.text ?? '', /boom/)
  })

  test('keeps the reason of a skip, and fails on a skip without one', async () => {
    const result = await run(`test('x', { skip: 'no runc here' }, () => {}); test('y', { skip: true }, () => {})`)
    assert.deepEqual(brief(result), { passed: 0, failed: ['y'], skipped: [{ name: 'x', reason: 'no runc here' }] })
  })

  test('fails on a test marked as to do that passes, and on an expected failure that does not happen', async () => {
    const result = await run(`test('x', { todo: 'soon' }, () => {}); test('y', { expectFailure: 'known gap' }, () => {})`)
    assert.deepEqual(brief(result), { passed: 0, failed: ['x', 'y'], skipped: [] })
  })

  test('counts failing hooks, and what they prevented', async () => {
    const result = await run(`describe('h', () => { before(() => { throw new Error('no') }); test('t', () => {}) })`)
    assert.deepEqual(brief(result), { passed: 0, failed: ['h > t', 'h'], skipped: [] })
  })

  test('fails on a file that cannot be loaded, and shows what it printed', async () => {
    const result = await run(`throw new Error('cannot load')`)
    assert.deepEqual(brief(result), { passed: 0, failed: ['(the file)'], skipped: [] })
    assert.match(result.output, /cannot load/)
  })

  test('fails on a file without tests', async () => {
    assert.deepEqual(brief(await run('')), { passed: 0, failed: ['(the file)'], skipped: [] })
  })

  test('fails on a file that exits in the middle, also with code 0', async () => {
    const result = await run(`test('first', () => {}); test('second', async () => { await 0; process.exit(0) })`)
    assert.equal(result.outcome.failures.length, 1)
  })

  test('fails on an exit code that no test explains', async () => {
    const result = await run(
      `test('fine', () => {}); after(() => { process.exitCode = 3 }); process.once('exit', () => { process.exitCode = 3 })`,
    )
    assert.deepEqual(brief(result), { passed: 1, failed: ['(the file)'], skipped: [] })
  })

  test('fails on work that goes wrong after its test ended', async () => {
    const result = await run(`test('late', () => { setTimeout(() => { throw new Error('late') }, 10) })`)
    assert.deepEqual(brief(result), { passed: 1, failed: ['(after a test ended)'], skipped: [] })
  })

  test('kills a file that does not end, with what it started', async () => {
    const marker = join(scratch, 'left-behind.pid')
    const body = `import { spawn } from 'node:child_process'; import { writeFileSync } from 'node:fs'
       const child = spawn('sleep', ['600'], { stdio: 'inherit' }); writeFileSync(${JSON.stringify(marker)}, String(child.pid))
       test('waits', async () => { await new Promise((resolve) => setTimeout(resolve, 600_000)) })`
    let result = await run(body, 1500)
    // On a busy machine it is killed before it has started anything
    for (let limitMs = 3000; !existsSync(marker) && limitMs < 100_000; limitMs *= 2) result = await run(body, limitMs)
    assert.match(result.outcome.failures[0]?.text ?? '', /did not end within/)
    const left = Number(readFileSync(marker, 'utf8'))
    // What was killed still has to die
    for (let look = 0; look < 3000 && isRunning(left); look += 1) await sleep(10)
    assert.equal(isRunning(left), false)
  })

  test('draws the same cases each time, and others from a seed that is asked for', async () => {
    const draw = `import fc from 'fast-check'; test('x', () => { throw new Error('drew ' + fc.sample(fc.integer(), 3)) })`
    const drawn = async (): Promise<string | undefined> => /drew (\S+)/.exec((await run(draw)).outcome.failures[0]?.text ?? '')?.[1]
    const first = await drawn()
    assert.ok(first !== undefined)
    assert.equal(await drawn(), first)
    process.env['SALLYPORT_TEST_SEED'] = '7'
    try {
      assert.notEqual(await drawn(), first)
    } finally {
      delete process.env['SALLYPORT_TEST_SEED']
    }
  })
})

test('a failure is told in one line at the end, too', async () => {
  const result = await run(`describe('a', () => { test('bad', () => { throw new Error('boom\\n  and more') }) })`)
  assert.match(describeFailures([result]).join('\n'), /^failed: case-\d+\.mjs:\d+: a > bad: Error: boom \| and more \| [^\n]+$/)
})

function isRunning(pid: number): boolean {
  try {
    // A zombie that its new parent has not reaped yet runs no more
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}
