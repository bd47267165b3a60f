// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeDirectory } from '../access/_temporary-directory.ts'
import type { AuditFilter } from './contract.ts'
import { openOperatorLog } from './operator-log.ts'
import { showEntries } from './show.ts'

const ANY: AuditFilter = { run: null, job: null, type: null, since: null, until: null, secret: null, host: null, actor: null }

test('a secret is found where it is handed over, and in what the broker says of it; not where something else has its name', async (t) => {
  const stateDirectory = makeDirectory(t)
  const log = openOperatorLog(stateDirectory)
  await log.record('step.started', { name: 'publish', secrets: ['TOKEN', 'OTHER'] })
  await log.record('secret.denied', { name: 'TOKEN', code: 'not-granted' })
  await log.record('secret.read', { name: 'OTHER' })
  await log.record('step.finished', { name: 'TOKEN' })
  await log.close()
  const place = { stateDirectory, directory: null, key: null }
  const shown = await Array.fromAsync(showEntries(place, { ...ANY, secret: 'TOKEN' }))
  assert.deepEqual(
    shown.map(({ entry }) => entry.type),
    ['step.started', 'secret.denied'],
  )
})
