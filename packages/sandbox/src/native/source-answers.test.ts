// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseSourceChanges } from './source-answers.ts'

const stepOf = (cgroup: string): string | null => (cgroup === 'step-7' ? 'build' : null)

test('a change has its lineage, its step, and names as they were', () => {
  const { changes, overflows, more } = parseSourceChanges(
    [
      { word: 'change', fields: ['src/%c3%a9%0a.c', 'written,moved', '3', '1000', 'step-7'] },
      { word: 'by', fields: ['100', '7', '500', '/usr/bin/sed', 'sed -i %25 '] },
      { word: 'by', fields: ['99', '6', '400', '/bin/sh', 'sh'] },
      { word: 'change', fields: ['b', 'opened', '1', '2000', ''] },
      { word: 'seen', fields: ['c', 'removed'] },
      { word: 'unseen', fields: ['1', '20'] },
    ],
    stepOf,
  )
  assert.deepEqual([overflows, more], [1, 20])
  assert.deepEqual(changes[0], {
    path: 'src/é\n.c',
    kinds: ['written', 'moved'],
    count: 3,
    at: '1970-01-01T00:00:01.000Z',
    step: 'build',
    witness: 'event',
    processes: [
      { pid: 100, innerPid: 7, startedAt: '1970-01-01T00:00:00.500Z', program: '/usr/bin/sed', command: 'sed -i %' },
      { pid: 99, innerPid: 6, startedAt: '1970-01-01T00:00:00.400Z', program: '/bin/sh', command: 'sh' },
    ],
  })
  assert.deepEqual([changes[1]?.step, changes[1]?.processes, changes[2]?.witness, changes[2]?.kinds], [null, [], 'layers', ['removed']])
})

test('bytes that are no text do no harm', () => {
  assert.equal(parseSourceChanges([{ word: 'seen', fields: ['%ff%fe', 'changed'] }], stepOf).changes[0]?.path, '\uFFFD\uFFFD')
})
