// SPDX-License-Identifier: Apache-2.0
// What a process says is not believed further than its shape.
import assert from 'node:assert/strict'
import { Duplex } from 'node:stream'
import { test } from 'node:test'
import { SallyportError } from '@sallyport/core'
import { KeyProcessClient, type KeyProcessKind } from './client.ts'

type Question = { readonly type: 'sign'; readonly text: string }
type Answer = { readonly type: 'signed'; readonly text: string } | { readonly type: 'refused' }

const KIND: KeyProcessKind<Answer> = {
  answerBytesMax: 200,
  parseAnswer: ({ type, text }) => {
    if (type === 'refused') return { type }
    if (type === 'signed' && typeof text === 'string') return { type, text }
    throw new TypeError('no answer')
  },
  lost: (reason) => new SallyportError('TEST_LOST', reason),
  failed: ({ code, message }) => (code === 'TEST_OWN' ? new SallyportError(code, message) : null),
}

/** A process in whose place a test speaks. */
class FakeProcess extends Duplex {
  readonly heard: string[] = []

  override _read(): void {
    // What it says is pushed.
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.heard.push(chunk.toString())
    done()
  }

  say(message: unknown): void {
    this.push(typeof message === 'string' ? message : `${JSON.stringify(message)}\n`)
  }
}

function start(): { readonly socket: FakeProcess; readonly client: KeyProcessClient<Question, Answer> } {
  const socket = new FakeProcess()
  return { socket, client: new KeyProcessClient(socket, KIND) }
}

function ask(client: KeyProcessClient<Question, Answer>): Promise<Answer> {
  return client.ask({ type: 'sign', text: 'x' }, ['signed'])
}

test('answers belong to their questions', async () => {
  const { socket, client } = start()
  socket.say({ id: 0, type: 'ready' })
  await client.ready
  const [one, two] = [ask(client), ask(client)]
  assert.deepEqual(socket.heard, ['{"type":"sign","text":"x","id":1}\n', '{"type":"sign","text":"x","id":2}\n'])
  socket.say({ id: 2, type: 'signed', text: 'two' })
  socket.say({ id: 1, type: 'signed', text: 'one' })
  assert.deepEqual(await Promise.all([one, two]), [
    { type: 'signed', text: 'one' },
    { type: 'signed', text: 'two' },
  ])
  client[Symbol.dispose]()
  await assert.rejects(ask(client), { code: 'TEST_LOST' })
})

test('one that hangs is waited for a while, and lost: whoever publishes holds others up', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const hanging = start()
  t.mock.timers.tick(60_000)
  await assert.rejects(hanging.client.ready, { code: 'TEST_LOST', message: 'it was not ready within 60000 ms' })
  await assert.rejects(ask(hanging.client), { code: 'TEST_LOST' })
  const { socket, client } = start()
  socket.say({ id: 0, type: 'ready' })
  await client.ready
  t.mock.timers.tick(60_000)
  const asked = ask(client)
  t.mock.timers.tick(30_000)
  await assert.rejects(asked, { code: 'TEST_LOST', message: 'it did not answer sign within 30000 ms' })
})

test('whatever it never says loses it, with all that waits', async () => {
  const nonsense: readonly unknown[] = [
    'x\n',
    '[]\n',
    'null\n',
    `"${'x'.repeat(300)}"\n`,
    'x'.repeat(300),
    {},
    { id: -1, type: 'signed', text: 'x' },
    { id: 1.5, type: 'signed', text: 'x' },
    { id: '1', type: 'signed', text: 'x' },
    { id: 7, type: 'signed', text: 'x' },
    { id: 0, type: 'signed', text: 'x' },
    { id: 0, type: 'failed', code: 1, message: 'x', hint: null },
    { id: 1, type: 'signed' },
    { id: 1, type: 'refused' },
  ]
  for (const message of nonsense) {
    const { socket, client } = start()
    const asked = ask(client)
    socket.say(message)
    await assert.rejects(asked, { code: 'TEST_LOST' }, JSON.stringify(message))
    await assert.rejects(ask(client), { code: 'TEST_LOST' }, JSON.stringify(message))
    assert.equal(socket.destroyed, true)
  }
})

test('why it cannot start is said with its own code, or that of its files; any other code is only its loss', async () => {
  const codes = { TEST_OWN: 'TEST_OWN', STORE_FULL: 'STORE_FULL', STORE_CLOSED: 'TEST_LOST', ANYTHING: 'TEST_LOST' }
  for (const [said, code] of Object.entries(codes)) {
    const { socket, client } = start()
    socket.say({ id: 0, type: 'failed', code: said, message: 'the disk is full', hint: null })
    await assert.rejects(client.ready, { code, message: /the disk is full/ })
    await assert.rejects(ask(client), { code })
  }
})

test('its end is known to everybody who waits', async () => {
  for (const end of [(socket: FakeProcess) => socket.push(null), (socket: FakeProcess) => socket.destroy(new Error('reset'))]) {
    const { socket, client } = start()
    const asked = ask(client)
    end(socket)
    await assert.rejects(asked, { code: 'TEST_LOST' })
    await assert.rejects(client.ready, { code: 'TEST_LOST' })
  }
})
