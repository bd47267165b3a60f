// SPDX-License-Identifier: Apache-2.0
// The document of a run is what people and programs read of it: what is changed in it is found.
import assert from 'node:assert/strict'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { RunDocument } from '@sallyport/agent'
import { World } from '../_world.ts'

const world = new World()
after(() => world[Symbol.asyncDispose]())

let run = ''
let document: RunDocument

before(async () => {
  const repository = world.workflow(`
    on: push
    jobs:
      build:
        runs-on: ubuntu-latest
        outputs: { '2': "\${{ steps.make.outputs.b }}", '1': "\${{ steps.make.outputs.a }}" }
        strategy: { matrix: { '10': [x], '9': ['y "\\u2028 ü'] } }
        steps:
          - { id: make, env: { TOKEN: "\${{ secrets.TOKEN }}" }, run: 'echo "a=ö $TOKEN" >> "$GITHUB_OUTPUT"; echo b= >> "$GITHUB_OUTPUT"' }
          - run: exit 3
  `)
  const result = await world.runJson(repository, ['--secret', 'TOKEN'], { env: { TOKEN: 'correct-horse-battery' } })
  assert.equal(result.exitCode, 1, result.why)
  ;({ document } = result)
  run = document.id
})

const path = (): string => join(world.state, 'runs', run, 'run.json')

async function checked(): Promise<{ exitCode: number | null; line: string }> {
  const { exitCode, stdout, stderr } = await world.run(['audit', 'payload', run])
  return { exitCode, line: stdout.split('\n').find((line) => line.includes(' document')) ?? `none: ${stdout}${stderr}` }
}

test('it is the one that the log commits to, whatever stands in it, and says the same as what was printed', async () => {
  const { exitCode, line } = await checked()
  assert.equal(exitCode, 0, line)
  assert.match(line, /^kept +record +entry \d+ +\d+ bytes +document$/)
  assert.deepEqual(JSON.parse(readFileSync(path(), 'utf8')), JSON.parse(JSON.stringify(document)))
})

for (const [what, change] of [
  ['a failure that becomes a success', () => ({ ...document, conclusion: 'success', exitCode: 0 })],
  ['a job that is left out', () => ({ ...document, jobs: [] })],
  ['another output of a job', () => ({ ...document, jobs: document.jobs.map((job) => ({ ...job, outputs: {} })) })],
  ['something more', () => ({ ...document, approved: true })],
  ['another place in the log', () => ({ ...document, log: { ...document.log, first: 1 } })],
  ['another salt', () => ({ ...document, log: { ...document.log, salt: Buffer.alloc(32).toString('base64') } })],
] as const)
  test(`${what} is found`, async () => {
    const before = readFileSync(path())
    writeFileSync(path(), `${JSON.stringify(change(), null, 2)}\n`)
    const { exitCode, line } = await checked()
    writeFileSync(path(), before)
    assert.deepEqual([exitCode, line.split(' ')[0]], [1, 'different'], line)
  })

test('one that is gone is missing, unless an entry says that it was erased', async () => {
  const before = readFileSync(path())
  rmSync(path())
  const gone = await checked()
  writeFileSync(path(), before)
  assert.deepEqual([gone.exitCode, gone.line.split(' ')[0]], [1, 'missing'], gone.line)
  const erased = await world.run(['audit', 'erase', run, '--reason', 'request 12'])
  assert.equal(erased.exitCode, 0, erased.stderr)
  const { exitCode, line } = await checked()
  assert.deepEqual([exitCode, line.split(' ')[0]], [0, 'erased'], line)
})
