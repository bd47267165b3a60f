// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import { ADD_CHECKPOINT_BYTES_MAX } from '@sallyport/audit-log'
import { TestLog } from '../_log.ts'
import { cosignedAt, ServedWitness, TemporaryDirectory } from '../_witness.ts'

const log = new TestLog()
const hash = createHash('sha256').update(log.origin).digest('hex')

function add(url: string, body: Uint8Array): Promise<Response> {
  return fetch(`${url}/add-checkpoint`, { method: 'POST', body: new Uint8Array(body) })
}

describe('the HTTP of a witness', () => {
  test('answers a checkpoint with lines of cosignatures, and shows it to monitors', async () => {
    await using directory = await TemporaryDirectory.create()
    await using served = await ServedWitness.start(directory.path, log)
    const response = await add(served.url, await log.request(0, 70))
    assert.equal(response.status, 200)
    assert.ok(cosignedAt(served.witness, await log.checkpoint(70), await response.text()) > 0)
    const shown = await fetch(`${served.url}/${hash}/checkpoint`)
    assert.equal(shown.headers.get('content-type'), 'text/plain; charset=utf-8')
    assert.match(await shown.text(), /^log\.example\.test\/audit\n70\n/)
    const head = await fetch(`${served.url}/${hash}/checkpoint`, { method: 'HEAD' })
    assert.deepEqual([head.status, await head.text()], [200, ''])
  })

  test('tells the size of a conflict in its own type', async () => {
    await using directory = await TemporaryDirectory.create()
    await using served = await ServedWitness.start(directory.path, log)
    await add(served.url, await log.request(0, 70))
    const response = await add(served.url, await log.request(0, 80))
    assert.deepEqual([response.status, response.headers.get('content-type'), await response.text()], [409, 'text/x.tlog.size', '70\n'])
  })

  test('has the status of every refusal', async () => {
    await using directory = await TemporaryDirectory.create()
    await using served = await ServedWitness.start(directory.path, log)
    await add(served.url, await log.request(0, 70))
    const fork = new TestLog({ salt: 'fork', signer: log.signer })
    const requests = [
      Buffer.from('x'),
      await new TestLog().request(70, 80),
      await new TestLog({ origin: 'u' }).request(0, 1),
      await fork.request(70, 80),
    ]
    const statuses = await Promise.all(requests.map(async (body) => (await add(served.url, body)).status))
    assert.deepEqual(statuses, [400, 403, 404, 422])
    assert.equal((await add(served.url, Buffer.alloc(ADD_CHECKPOINT_BYTES_MAX + 1))).status, 413)
    assert.equal((await add(served.url, Buffer.alloc(ADD_CHECKPOINT_BYTES_MAX))).status, 400)
  })

  test('knows no other path and method', async () => {
    await using directory = await TemporaryDirectory.create()
    await using served = await ServedWitness.start(directory.path, log)
    const paths = [
      '/',
      '/add-checkpoint/',
      '/sign-subtree',
      `/${hash}/checkpoint`,
      `/${hash.toUpperCase()}/checkpoint`,
      `/logs/${hash}`,
      '/key.pem',
      '//add-checkpoint',
    ]
    const statuses = await Promise.all(paths.map(async (path) => (await fetch(served.url + path)).status))
    assert.deepEqual(
      statuses,
      paths.map(() => 404),
    )
    assert.equal((await fetch(`${served.url}/add-checkpoint`)).status, 405)
    assert.equal((await fetch(`${served.url}/${hash}/checkpoint`, { method: 'DELETE' })).status, 405)
  })

  test('answers 500 when its disk fails, and cosigns nothing', async () => {
    await using directory = await TemporaryDirectory.create()
    const files = { read: async () => null, write: () => Promise.reject(new Error('no space left on device')) }
    await using served = await ServedWitness.start(directory.path, log, { files })
    const response = await add(served.url, await log.request(0, 70))
    assert.deepEqual([response.status, await response.text()], [500, 'internal error\n'])
    assert.equal(served.failures.length, 1)
  })
})
