// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { makeDirectory } from '../access/_temporary-directory.ts'
import { AgentError } from '../agent-error.ts'
import type { AuditFilter, ShownEntry } from './contract.ts'
import { recordRefusal } from './refused-run.ts'
import { showEntries } from './show.ts'

const ANY: AuditFilter = { run: null, job: null, type: null, since: null, until: null, secret: null, host: null, actor: null }
const SECRET = 'kq7Zt2mXw9Lr4VbN'
const FACTS = { command: 'run', directory: '/srv/project', event: 'push', files: [] }

function attemptIn(t: TestContext): Parameters<typeof recordRefusal>[1] {
  return { stateDirectory: makeDirectory(t), secrets: { TOKEN: SECRET } }
}

function shown(stateDirectory: string): Promise<ShownEntry[]> {
  return Array.fromAsync(showEntries({ stateDirectory, directory: null, key: null }, ANY))
}

test('what was refused is on record, with what was asked for, and no secret in it', async (t) => {
  const attempt = attemptIn(t)
  const asks = [`job build: ${SECRET}.test:443 (tls)`]
  await recordRefusal(new AgentError('NOT_TRUSTED', 'Cannot run', { details: { asks } }), attempt, FACTS)
  const entries = await shown(attempt.stateDirectory)
  assert.deepEqual(
    entries.map(({ entry }) => entry.type),
    ['source.opened', 'run.refused', 'source.closed'],
  )
  assert.deepEqual(entries[1]?.entry.data, {
    ...FACTS,
    code: 'NOT_TRUSTED',
    message: 'Cannot run',
    asks: ['job build: ***.test:443 (tls)'],
  })
})

test('what nobody decided is not: a mistyped option, a file that is none, a fault of ours', async (t) => {
  const attempt = attemptIn(t)
  for (const thrown of [new AgentError('JOB_UNKNOWN', 'no such job'), new TypeError('a fault')]) await recordRefusal(thrown, attempt, FACTS)
  await assert.rejects(shown(attempt.stateDirectory), { code: 'AUDIT_LOG_NOT_FOUND' })
})

test('a refusal that cannot be written down says both', async (t) => {
  const attempt = attemptIn(t)
  rmSync(attempt.stateDirectory, { recursive: true })
  writeFileSync(attempt.stateDirectory, '')
  const refusal = new AgentError('NOT_TRUSTED', 'Cannot run with "sallyport.yml"', { hint: 'Review it' })
  await assert.rejects(recordRefusal(refusal, attempt, FACTS), (error) => {
    assert.ok(error instanceof AgentError)
    assert.deepEqual([error.code, error.hint], ['AUDIT_LOG_UNWRITABLE', 'Review it'])
    assert.match(error.message, /^Cannot run with "sallyport\.yml"; and that cannot be written to the log: /)
    return true
  })
})

test('a file in the place of the log is no way around it', async (t) => {
  const attempt = attemptIn(t)
  writeFileSync(join(attempt.stateDirectory, 'audit'), '')
  await assert.rejects(recordRefusal(new AgentError('NOT_TRUSTED', 'no'), attempt, FACTS), { code: 'AUDIT_LOG_UNWRITABLE' })
})
