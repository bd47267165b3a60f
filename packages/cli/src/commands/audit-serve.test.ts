// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { auditPlaces } from '@sallyport/agent'
import { makeState, ORIGIN, publishEntries, RunningCommand } from './_audit.ts'
import { registerAuditServe } from './audit-serve.ts'

interface Served {
  readonly url: string
  readonly origin: string
  readonly verifierKey: string
}

test('serves the published log, names its key, and ends with a signal', async (t) => {
  const state = makeState(t)
  const verifierKey = await publishEntries(state, 300)
  const command = new RunningCommand(registerAuditServe, ['serve', '--listen', '127.0.0.1:0', '--state', state, '--json'])
  const served = await command.document<Served>()
  assert.deepEqual({ ...served, url: '' }, { url: '', origin: ORIGIN, verifierKey })
  const answer = await fetch(`${served.url}/checkpoint`)
  assert.equal(await answer.text(), await readFile(join(auditPlaces(state).log, 'log/checkpoint'), 'utf8'))
  assert.equal((await fetch(`${served.url}/tile/0/000`)).status, 200)
  assert.equal((await fetch(`${served.url}/tile/entries/001.p/44`)).status, 200)
  assert.equal((await fetch(`${served.url}/tree.json`)).status, 404)
  assert.equal((await fetch(`${served.url}/checkpoint`, { method: 'POST' })).status, 405)
  await command.signal('SIGTERM')
  assert.equal(command.exitCode, 0)
  assert.match(command.stderr, new RegExp(`^sallyport: serving the log ${ORIGIN} at http://127\\.0\\.0\\.1:\\d+/\n$`))
  await assert.rejects(fetch(`${served.url}/checkpoint`))
})

test('refuses where there is no log, and an address that is none', async (t) => {
  const absent = new RunningCommand(registerAuditServe, ['serve', '--listen', '127.0.0.1:0', '--state', makeState(t)])
  await absent.ended
  assert.equal(absent.exitCode, 2)
  assert.match(absent.stderr, /error\[FILE_UNREADABLE\]: Cannot serve the log in .*\n {2}The first run begins it/)
  for (const text of ['8470', '127.0.0.1', '::1:80', '127.0.0.1:99999', 'a b:1']) {
    const refused = new RunningCommand(registerAuditServe, ['serve', '--listen', text])
    await refused.ended
    assert.match(refused.stderr, /error\[USAGE\]: --listen/, text)
  }
})

test('says that an address is taken', async (t) => {
  const state = makeState(t)
  await publishEntries(state, 1)
  const first = new RunningCommand(registerAuditServe, ['serve', '--listen', '127.0.0.1:0', '--state', state, '--json'])
  const { host } = new URL((await first.document<Served>()).url)
  const second = new RunningCommand(registerAuditServe, ['serve', '--listen', host, '--state', state])
  await second.ended
  assert.match(second.stderr, /error\[HTTP_UNAVAILABLE\]/)
  await first.signal('SIGINT')
})
