// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { HOST_LOGS_DEFAULT, type HostLogNeeds } from '@sallyport/access'
import type { LogEntry } from '@sallyport/audit-log'
import { attribute, HOST_LOG_NAMES, type HostItem, type HostLog, type HostRecord } from '@sallyport/host-logs'
import { createSecretSet } from '@sallyport/redaction'
import { makeDirectory } from '../access/_temporary-directory.ts'
import { auditCommands } from './commands.ts'
import { type HostLogStates, HostSources } from './host-sources.ts'
import { RunLog } from './run-log.ts'

const RUN = '20261129-140200-abcdef'
const SECRET = 'correct-horse-battery'
const FIRST = 0x70000000

function record(facts: Partial<HostRecord>): HostRecord {
  const nobody = { pid: null, uid: null, cgroup: null }
  const at = '2026-11-29T14:02:00.000Z'
  return { kind: 'record', at, class: 'fault', message: 'm', by: 'kernel', number: 1, severity: 6, ...nobody, ...facts }
}

/** Gives what the test puts into it. */
class FakeLog implements HostLog {
  readonly place = '/dev/fake'
  readonly counts = { notSelected: 7, dropped: { rate: 3 } }
  items: HostItem[] = []
  isClosed = false
  async read(): Promise<readonly HostItem[]> {
    return this.items.splice(0)
  }
  close(): void {
    this.isClosed = true
  }
}

interface Made {
  readonly state: string
  readonly kernel: FakeLog
  readonly host: HostSources
  readonly log: RunLog
  readonly watch: (job: string, slot: number) => Promise<HostLogStates>
}

function make(t: TestContext, needs: Partial<HostLogNeeds> = {}): Made {
  const state = makeDirectory(t)
  const kernel = new FakeLog()
  const secrets = createSecretSet()
  secrets.add(SECRET)
  const load = async () => ({
    attribute,
    HOST_LOG_NAMES,
    openHostLog: (name: string) => (name === 'kernel' ? { log: kernel } : { absent: 'there is none' }),
  })
  const host = new HostSources({ runId: RUN, needs: { ...HOST_LOGS_DEFAULT, ...needs }, secrets, load })
  t.after(() => host[Symbol.dispose]())
  const watch = (job: string, slot: number): Promise<HostLogStates> => {
    const identity = { cgroup: `slot${slot}-${job}`, uids: { first: FIRST + slot * 65_536, count: 65_536 }, pids: new Set<number>() }
    return host.watch(job, identity)
  }
  return { state, kernel, host, log: new RunLog(state, RUN, host), watch }
}

async function show(state: string, type: string): Promise<LogEntry[]> {
  const filter = { run: RUN, job: null, type, since: null, until: null, secret: null, host: null, actor: null }
  const shown = await Array.fromAsync(auditCommands.show({ stateDirectory: state, directory: null, key: null }, filter))
  return shown.map(({ entry }) => entry)
}

test('each log that is there is a source with counts, and the run’s own entry stays the last one', async (t) => {
  const { state, kernel, log, watch } = make(t)
  const states = await watch('build', 0)
  kernel.items.push(record({ uid: FIRST + 5, message: `killed ${SECRET}` }), {
    kind: 'gap',
    reason: 'overwritten',
    count: 12,
  })
  log.add({ seq: 1, run: RUN, at: new Date().toISOString(), type: 'run.started', data: {} })
  await log.close()
  assert.equal(kernel.isClosed, true)
  assert.deepEqual(states, {
    kernel: { state: 'read', detail: '/dev/fake' },
    auth: { state: 'absent', detail: 'there is none' },
    journal: { state: 'absent', detail: 'there is none' },
  })
  const entries = await show(state, 'host.*')
  assert.deepEqual(
    entries.map(({ source, seq, type, job, data }) => [source, seq, type, job, data?.['of'] ?? data?.['count'], data?.['message']]),
    [
      [`host/${RUN}/kernel`, 2, 'host.kernel', 'build', 'job', 'killed ***'],
      [`host/${RUN}/kernel`, 3, 'host.gap', undefined, 12, undefined],
    ],
  )
  const ends = await show(state, 'source.closed')
  const [end] = ends
  assert.deepEqual(
    [ends.length, ends[1]?.source, end?.data?.['events'], end?.data?.['dropped'], end?.data?.['notSelected']],
    [2, `run/${RUN}`, 5, { rate: 3 }, 7],
  )
  const { sound, openRuns, findings } = await auditCommands.verify(
    { stateDirectory: state, directory: null, key: null },
    { remember: null, policy: null, freshnessS: null, archives: null },
  )
  assert.deepEqual([sound, openRuns, findings.map(({ kind }) => kind)], [true, [], ['events-dropped']])
})

test('an id is one job’s from the reading before it begins to the reading before its sandbox goes', async (t) => {
  const { state, kernel, host, log, watch } = make(t)
  const byUid = (number: number): HostRecord => record({ number, uid: FIRST + 1 })
  await watch('one', 0)
  kernel.items.push(byUid(1))
  await host.unwatch('one')
  kernel.items.push(byUid(2), record({ number: 3, cgroup: '/sallyport/slot0-one/step-1' }))
  await watch('two', 0)
  kernel.items.push(byUid(4))
  await log.close()
  const entries = await show(state, 'host.kernel')
  assert.deepEqual(
    entries.map(({ job, data }) => [data?.['number'], job, data?.['of'], data?.['proof']]),
    [
      [1, 'one', 'job', 'uid'],
      [2, undefined, 'other-job', 'uid'],
      [3, 'one', 'job', 'cgroup'],
      [4, 'two', 'job', 'uid'],
    ],
  )
})

test('records reach the log while a run goes on that has nothing to say itself', async (t) => {
  const { state, kernel, log, watch } = make(t)
  log.add({ seq: 1, run: RUN, at: '2026-11-29T14:02:00.000Z', type: 'run.started', data: {} })
  await log.durable(1)
  await watch('build', 0)
  kernel.items.push(record({}))
  let shown: LogEntry[] = []
  for (const deadline = performance.now() + 30_000; shown.length === 0 && performance.now() < deadline; )
    shown = await show(state, 'host.kernel')
  assert.equal(shown.length, 1)
  await log.close()
})

test('a log that nobody takes from keeps a bounded number, and counts the others', async (t) => {
  const { state, kernel, host, log, watch } = make(t)
  await watch('build', 0)
  for (let round = 0; round < 2; round += 1) {
    kernel.items.push(...Array.from({ length: 3000 }, () => record({})))
    await host.unwatch('build')
  }
  await log.close()
  const [end] = await show(state, 'source.closed')
  assert.deepEqual([end?.data?.['events'], end?.data?.['dropped']], [4096 + 2, { rate: 3, unkept: 6000 - 4096 }])
})

test('a log that is required and is not there lets no job start, and says which', async (t) => {
  const { watch } = make(t, { journal: 'required' })
  for (const job of ['one', 'two']) await assert.rejects(watch(job, 0), { code: 'HOST_LOG_MISSING', details: { log: 'journal' } })
})

test('what is off is not opened, and is said to be', async (t) => {
  const { state, kernel, log, watch } = make(t, { kernel: 'off' })
  const states = await watch('build', 0)
  kernel.items.push(record({}))
  await log.close()
  assert.deepEqual([states.kernel, (await show(state, 'host.*')).length], [{ state: 'off', detail: null }, 0])
})
