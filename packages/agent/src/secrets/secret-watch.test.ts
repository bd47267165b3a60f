// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { RunEvent } from '@sallyport/core'
import { type Finding, parseBaseline } from '@sallyport/secret-watch'
import { lockExclusively, readWhole } from '@sallyport/store'
import { SecretWatch } from './secret-watch.ts'

const REPOSITORY = { slug: 'acme/tool', root: '/work' }

async function stateOf(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'sallyport-watch-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

interface Watched {
  readonly watch: SecretWatch
  readonly findings: Finding[]
  readonly notices: string[]
}

function watch(stateDirectory: string, rotation: ConstructorParameters<typeof SecretWatch>[0]['rotation'] = []): Watched {
  const findings: Finding[] = []
  const notices: string[] = []
  const report = (finding: Finding): number => findings.push(finding)
  const parts = { stateDirectory, repository: REPOSITORY, file: null, rotation, report, notice: (text: string) => notices.push(text) }
  return { watch: new SecretWatch(parts), findings, notices }
}

function observe({ watch }: Watched, type: string, data: RunEvent['data']): void {
  watch.observe({ type, job: 'build', step: '1', data, seq: 1, run: 'r', at: '2026-01-02T10:00:00.000Z' })
}

async function deniedRun(state: string): Promise<Watched> {
  const watched = watch(state)
  observe(watched, 'secret.granted', { name: 'A', stepId: 'a', delivery: 'env', provider: 'given', path: null })
  observe(watched, 'secret.read', { name: 'A' })
  observe(watched, 'secret.denied', { name: 'B', code: 'not-granted' })
  await watched.watch.finish()
  return watched
}

const files = (state: string): readonly string[] => readdirSync(join(state, 'secret-watch')).filter((name) => name.endsWith('.json'))

async function runsIn(state: string): Promise<number | undefined> {
  const bytes = await readWhole(join(state, 'secret-watch', files(state)[0] ?? ''), 1 << 20)
  return parseBaseline(String(bytes))?.runs
}

test('runs that end at the same time are all remembered', async (t) => {
  const state = await stateOf(t)
  const ended = await Promise.all(Array.from({ length: 8 }, () => deniedRun(state)))
  assert.equal(await runsIn(state), 8)
  for (const { findings, notices } of ended) assert.deepEqual([findings.at(-1)?.rule, notices], ['denied-probe', []])
})

test('a run that finds the file held is judged and says that it is not remembered', async (t) => {
  const state = await stateOf(t)
  await deniedRun(state)
  const held = await lockExclusively(join(state, 'secret-watch', `${files(state)[0]}.lock`), 1000)
  const { findings, notices } = await deniedRun(state)
  await held?.close()
  assert.deepEqual([findings.map(({ rule }) => rule), notices.length], [['denied-probe'], 1])
  assert.equal(await runsIn(state), 1)
})

test('a file that is damaged, or too large, is said once and replaced; a place that cannot be written ends nothing', async (t) => {
  const state = await stateOf(t)
  await deniedRun(state)
  for (const content of ['', '{"version":1', Buffer.alloc(17 << 20, 32)]) {
    writeFileSync(join(state, 'secret-watch', files(state)[0] ?? ''), content)
    assert.match((await deniedRun(state)).notices.join(), /is damaged/)
    assert.deepEqual((await deniedRun(state)).notices, [])
  }
  rmSync(join(state, 'secret-watch'), { recursive: true })
  writeFileSync(join(state, 'secret-watch'), '')
  assert.match((await deniedRun(state)).notices.join(), /could not be read or written/)
})

test('a run without secrets leaves nothing', async (t) => {
  const state = await stateOf(t)
  mkdirSync(join(state, 'secret-watch'))
  await watch(state).watch.finish()
  assert.deepEqual(files(state), [])
})

test('a version that is older than the operator wants is told, once in a run, with what to do', async (t) => {
  const at = { file: 'config.yml', line: 1, column: 1 }
  const entry = { at, provider: 'openbao', path: 'kv/ci/token', field: 'value', everyMs: 3600e3, hook: null, generate: null }
  const watched = watch(await stateOf(t), [entry])
  const read = { name: 'A', provider: 'openbao', path: 'kv/ci/token', field: 'value' }
  for (const created of [null, '2026-01-02T09:00:00.000Z']) observe(watched, 'secret.read', { ...read, created })
  observe(watched, 'secret.read', { ...read, path: 'kv/ci/other', created: '2020-01-02T09:00:00.000Z' })
  assert.deepEqual(watched.findings, [])
  for (let time = 0; time < 2; time++) observe(watched, 'secret.read', { ...read, created: '2026-01-02T08:59:59.000Z' })
  assert.deepEqual(
    watched.findings.map(({ rule, remedy }) => [rule, remedy]),
    [['overdue', 'sallyport secrets rotate openbao:kv/ci/token#value']],
  )
})
