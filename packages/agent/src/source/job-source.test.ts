// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Sandbox, SandboxError, type SourceChange, type SourceChanges } from '@sallyport/sandbox'
import { JobSource, SourceRecord } from './job-source.ts'

const CHANGE: SourceChange = {
  path: 'a\n.c',
  kinds: ['written'],
  count: 1,
  at: '1970-01-01T00:00:00.000Z',
  step: null,
  witness: 'event',
  processes: [
    { pid: 9, innerPid: 3, startedAt: '1970-01-01T00:00:00.000Z', program: '[sed]', command: '' },
    { pid: 8, innerPid: 2, startedAt: '1970-01-01T00:00:00.000Z', program: '/bin/sh', command: 'sh x' },
  ],
}

function jobWith(
  isReadOnly: boolean,
  take: () => SourceChanges,
): { source: JobSource; sandbox: Sandbox; told: [string, unknown][]; record: SourceRecord } {
  const told: [string, unknown][] = []
  const record = new SourceRecord()
  const call =
    <T>(name: string, result: () => T) =>
    async (): Promise<T> => {
      told.push([name, null])
      return result()
    }
  const sandbox = {
    probeSource: call('probe', () => undefined),
    endLeftovers: call('end', () => 0),
    freezeSource: call('freeze', () => ({ files: 1, ended: 0 })),
    takeSourceChanges: call('take', take),
  } as unknown as Sandbox
  const report = (type: string, data: unknown): unknown => told.push([type, data])
  return { source: new JobSource({ job: 'build', isReadOnly, root: '/w', changes: record, report }), sandbox, told, record }
}

describe('the source of a job', () => {
  it('is nobody’s business where nobody asked for it', async () => {
    const { source, sandbox, told } = jobWith(false, () => assert.fail())
    await source.prepared(sandbox)
    await source.bringing(sandbox)
    await source.beforeStep(sandbox, '1')
    assert.equal(await source.afterStep(sandbox, '1'), null)
    assert.deepEqual(told, [])
  })

  it('becomes read-only once, before the first step after the checkouts, and not again', async () => {
    const { source, sandbox, told } = jobWith(true, () => ({ changes: [], overflows: 0, more: 0 }))
    await source.prepared(sandbox)
    await source.beforeStep(sandbox, '1')
    await source.afterStep(sandbox, '1')
    await source.bringing(sandbox)
    await source.bringing(sandbox)
    await source.beforeStep(sandbox, '2')
    await source.beforeStep(sandbox, '3')
    assert.deepEqual(
      told.map(([name]) => name),
      ['probe', 'end', 'end', 'freeze', 'source.read-only'],
    )
    await assert.rejects(source.bringing(sandbox), { code: 'REPOSITORY_UNREADABLE', message: /Cannot check out again/ })
  })

  it('tells each change with its step, in one line for a person, and counts the rest', async () => {
    const answers = [{ changes: [CHANGE], overflows: 0, more: 2 }]
    const { source, sandbox, told, record } = jobWith(true, () => answers.shift() ?? { changes: [], overflows: 0, more: 1 })
    await source.bringing(sandbox)
    await source.beforeStep(sandbox, '2')
    assert.equal(await source.afterStep(sandbox, '2'), null)
    const events = told.filter(([name]) => name.includes('.')).slice(1)
    assert.deepEqual(
      events.map(([name]) => name),
      ['source.changed', 'source.lost', 'run.notice'],
    )
    assert.match(JSON.stringify(events[2]?.[1]), /The source was changed: a.*\.c \(written\) by \[sed\] of sh x; 3 more/)
    assert.deepEqual(record.changes, [{ ...CHANGE, job: 'build', step: '2' }])
  })

  it('fails a step of which nobody knows what it changed', async () => {
    const { source, sandbox, told } = jobWith(true, () => {
      throw new SandboxError('SANDBOX_FAILED', 'the watch has ended')
    })
    await source.bringing(sandbox)
    await source.beforeStep(sandbox, '2')
    assert.match((await source.afterStep(sandbox, '2')) ?? '', /the watch has ended/)
    assert.equal(told.at(-1)?.[0], 'source.lost')
  })
})
