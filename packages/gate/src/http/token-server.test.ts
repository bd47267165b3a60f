// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import { JOB_NETWORK } from '@sallyport/core'
import type { TokenQuestion } from '../contract.ts'
import { closeOf, endOf, type GateWorld, readAll, ruleSet, STEP, startGateWorld } from '../relay/_gate-world.ts'

const TO = { name: JOB_NETWORK.tokenHost, port: JOB_NETWORK.tokenPort }
const ANSWER = { status: 200, headers: { 'content-type': 'application/json', 'cache-control': 'no-store' }, body: '{"value":"a token"}' }

interface Asked {
  readonly step: string
  readonly question: TokenQuestion
}

async function startWorld(asked: Asked[], answer: () => Promise<typeof ANSWER | null> = () => Promise.resolve(ANSWER)): Promise<GateWorld> {
  const world = await startGateWorld({
    token: (step, question) => {
      asked.push({ step, question })
      return answer()
    },
  })
  world.open([ruleSet()], { step: STEP, number: 1, asksTokens: true })
  return world
}

async function say(socket: Socket, text: string): Promise<string> {
  socket.on('error', () => undefined)
  socket.write(text)
  return (await readAll(socket)).toString()
}

const REQUEST = `GET /token?api-version=2.0&audience=a HTTP/1.1\r\nHost: ${JOB_NETWORK.tokenHost}\r\nAuthorization: bearer abc\r\nX-Other: y\r\n\r\n`

test('the supervisor is asked what a step asks, and its answer is the end of the connection', async () => {
  const asked: Asked[] = []
  await using world = await startWorld(asked)
  const answer = await say(await world.connect(TO), REQUEST)
  assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/)
  assert.match(answer, /\r\ncache-control: no-store\r\n/i)
  assert.match(answer, /\r\nconnection: close\r\n/i)
  assert.ok(answer.endsWith(`\r\n\r\n${ANSWER.body}`))
  const question = { method: 'GET', target: '/token?api-version=2.0&audience=a', authorization: 'bearer abc' }
  assert.deepEqual(asked, [{ step: STEP, question }])
  assert.deepEqual([world.refusals(), world.defects], [[], []])
})

test('for a step without a grant the name is one as any other', async () => {
  const asked: Asked[] = []
  await using world = await startWorld(asked)
  world.open([ruleSet()], { step: 'build/2', number: 2 })
  await assert.rejects(world.lookUp(JOB_NETWORK.tokenHost, 2), /no address/)
  // what the name means to one step means nothing to another, not even by its address
  const address = await world.lookUp(JOB_NETWORK.tokenHost, 1)
  assert.equal(await endOf(await world.connect({ address, port: TO.port, number: 2 })), 'reset')
  assert.equal(asked.length, 0)
})

test('at every other port of it there is nothing', async () => {
  const asked: Asked[] = []
  await using world = await startWorld(asked)
  assert.equal(await endOf(await world.connect({ ...TO, port: 443 })), 'reset')
  assert.equal(asked.length, 0)
  assert.deepEqual(
    world.refusals().map(({ code }) => code),
    ['no-rule'],
  )
})

test('what is no plain request reaches nobody', async () => {
  const asked: Asked[] = []
  await using world = await startWorld(asked)
  const cases: readonly (readonly [string, RegExp])[] = [
    ['nonsense\r\n\r\n', /^HTTP\/1\.1 400 /],
    ['GET /token HTTP/1.1\r\n\r\n', /^HTTP\/1\.1 400 /],
    [`GET /token HTTP/1.1\r\nHost: a\r\nAuthorization: bearer \u00ff\r\n\r\n`, /^HTTP\/1\.1 400 /],
    [`GET /${'x'.repeat(9000)} HTTP/1.1\r\nHost: a\r\n\r\n`, /^HTTP\/1\.1 4/],
    [`CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n`, /^$/],
    ['\x16\x03\x01\x02\x00\x01\x00', /^(HTTP\/1\.1 400 |$)/],
  ]
  for (const [text, answer] of cases) assert.match(await say(await world.connect(TO), text).catch(() => ''), answer, text.slice(0, 60))
  assert.equal(asked.length, 0)
  assert.deepEqual(world.defects, [])
})

test('a second request on the same connection gets nothing', async () => {
  const asked: Asked[] = []
  await using world = await startWorld(asked)
  const answer = await say(await world.connect(TO), REQUEST + REQUEST).catch(() => '')
  assert.ok(answer.split('HTTP/1.1 ').length <= 2)
  assert.equal(asked.length, 1)
})

test('where there is no answer a client may try again', async () => {
  await using world = await startWorld([], () => Promise.resolve(null))
  assert.match(await say(await world.connect(TO), REQUEST), /^HTTP\/1\.1 503 /)
})

test('an answer that comes after the end of its step goes to nobody', async () => {
  const asked: Asked[] = []
  const { promise, resolve } = Promise.withResolvers<typeof ANSWER>()
  await using world = await startWorld(asked, () => promise)
  const socket = await world.connect(TO)
  let got = ''
  socket.on('error', () => undefined).on('data', (chunk) => (got += chunk))
  const closed = closeOf(socket)
  socket.write(REQUEST)
  for (let turn = 0; turn < 200 && asked.length === 0; turn++) await new Promise((next) => setTimeout(next, 5))
  assert.equal(asked.length, 1)
  world.close()
  resolve(ANSWER)
  await closed
  assert.equal(got, '')
  assert.deepEqual(world.defects, [])
})
