// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KeeperRequests, parsePacket } from './keeper-requests.ts'

test('answers belong to requests in their order', async () => {
  const requests = new KeeperRequests()
  const answers = [requests.next('try'), requests.next('try'), requests.next('try')]
  requests.hear('ok', [])
  requests.hear('packet', ['198.18.1.7', '192.0.2.1', '17', '443'])
  requests.hear('packet', ['0.0.0.0', '192.0.2.2', '132', '9'])
  requests.hear('ok', [])
  requests.hear('refused', ['No space left on device'])
  assert.deepEqual(await answers[0], [])
  assert.deepEqual((await answers[1])?.map(parsePacket), [
    { source: '198.18.1.7', address: '192.0.2.1', protocol: 'udp', port: 443 },
    { source: null, address: '192.0.2.2', protocol: 'other', port: 9 },
  ])
  await assert.rejects(answers[2] ?? assert.fail(), { code: 'SANDBOX_FAILED', message: /No space left/ })
})

test('a request that is not answered any more, and one that comes too late, are those of a lost sandbox', async () => {
  const requests = new KeeperRequests()
  const waiting = requests.next('try')
  requests.close()
  await assert.rejects(waiting, { code: 'SANDBOX_LOST' })
  await assert.rejects(requests.next('try'), { code: 'SANDBOX_LOST' })
})

test('an answer that nobody asked for is nobody’s', () => {
  new KeeperRequests().hear('ok', [])
})
