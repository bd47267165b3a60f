// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { duplexPair } from 'node:stream'
import { test } from 'node:test'
import fc from 'fast-check'
import { GateClient, type GateHandlers } from './client.ts'
import { type FromGate, type GateConfig, type StepDoors, TOKEN_QUESTIONS_MAX, type ToGate } from './contract.ts'
import { GateError } from './gate-error.ts'

const config = {} as GateConfig
const doors: StepDoors = { step: 'build/1', source: '198.18.1.1', sets: [], substitutions: [], honeytokens: [], relays: [] }
const refusal = { code: 'no-rule', target: 'a.test:443', reason: 'no rule', rule: null, remedy: null } as const
const closed: FromGate = { type: 'step-closed', step: 'build/1', used: [], refused: [{ refusal, count: 2 }], refusedMore: 1 }

interface Fake {
  readonly client: GateClient
  readonly heard: string[]
  readonly said: ToGate[]
  /** As the gate. */
  say(message: FromGate | string): void
}

/** A client with a gate that says only what a test makes it say. */
function fakeGate(
  options: { readonly answerMs?: number; readonly whose?: GateHandlers['whose']; readonly token?: GateHandlers['token'] } = {},
): Fake {
  const [own, gate] = duplexPair()
  const heard: string[] = []
  const said: ToGate[] = []
  const handlers: GateHandlers = {
    refused: (step, { target }) => void heard.push(`refused ${step} ${target}`),
    used: (step, { host, port }) => void heard.push(`used ${step} ${host}:${port}`),
    alert: (step, { kind }) => void heard.push(`alert ${step} ${kind}`),
    whose: options.whose ?? (() => Promise.resolve('/usr/bin/git')),
    token: options.token ?? (() => Promise.resolve(null)),
  }
  gate.on('data', (chunk: Buffer) => {
    for (const line of String(chunk).trimEnd().split('\n')) said.push(JSON.parse(line) as ToGate)
  })
  gate.on('error', () => undefined)
  const client = new GateClient(own, handlers, { answerMs: options.answerMs ?? 500 })
  return { client, heard, said, say: (message) => void gate.write(typeof message === 'string' ? message : `${JSON.stringify(message)}\n`) }
}

test('each call waits for its own answer', async () => {
  const { client, say, said } = fakeGate()
  const opened = client.openStep(doors)
  const ready = client.configure(config)
  say({ type: 'ready', authority: null })
  say({ type: 'step-open', step: 'build/1' })
  await Promise.all([opened, ready])
  const shut = client.closeStep('build/1')
  say(closed)
  assert.deepEqual(await shut, { used: [], refused: [{ refusal, count: 2 }], refusedMore: 1 })
  assert.deepEqual(
    said.map(({ type }) => type),
    ['open-step', 'configure', 'close-step'],
  )
})

test('what the gate tells comes in its order, cleaned of what steers a terminal', async () => {
  const { client, say, heard } = fakeGate()
  const ready = client.configure(config)
  say({ type: 'refused', step: 'build/1', refusal: { ...refusal, target: 'a\u001b[2Jb\n' } })
  say({ type: 'used', step: 'build/1', host: 'b.test', port: 1, rule: null })
  say({ type: 'alert', step: 'build/1', kind: 'upload', detail: 'x', bytes: 7 })
  say({ type: 'ready', authority: null })
  await ready
  assert.deepEqual(heard, ['refused build/1 a\u{fffd}[2Jb\u{fffd}', 'used build/1 b.test:1', 'alert build/1 upload'])
})

test('whose connection it is is answered; unknown where nobody knows', async () => {
  const answers = [Promise.resolve('/usr/bin/git'), Promise.reject(new Error('gone'))]
  const { client, say, said } = fakeGate({ whose: () => answers.shift() ?? Promise.resolve(null) })
  const ready = client.configure(config)
  say({ type: 'whose', id: 1, step: 'build/1', port: 4000 })
  say({ type: 'whose', id: 2, step: 'build/1', port: 4001 })
  say({ type: 'ready', authority: null })
  await ready
  await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(said.slice(1), [
    { type: 'executable', id: 1, path: '/usr/bin/git' },
    { type: 'executable', id: 2, path: null },
  ])
})

test('a gate that does not answer in time is lost, and so is every call', async () => {
  const { client } = fakeGate({ answerMs: 20 })
  await assert.rejects(client.configure(config), (error) => error instanceof GateError && error.code === 'GATE_LOST')
  assert.match(await client.lost, /did not answer configure within 20 ms/)
  await assert.rejects(client.openStep(doors), GateError)
})

test('a gate that says anything else than a gate says is lost', async () => {
  const wrong: readonly string[] = [
    'no json\n',
    '[]\n',
    'null\n',
    '{"type":"open-door"}\n',
    '{"type":"ready"}\n',
    '{"type":"ready","authority":"-----BEGIN CERTIFICATE-----\\nx; rm -rf /\\n-----END CERTIFICATE-----\\n"}\n',
    '{"type":"step-open","step":"never-asked"}\n',
    '{"type":"used","step":"build/1","host":"a","port":70000,"rule":null}\n',
    '{"type":"used","step":"build/1","host":"a","port":1.5,"rule":null}\n',
    '{"type":"refused","step":"build/1","refusal":{"code":"toString","target":"","reason":"","rule":null,"remedy":null}}\n',
    '{"type":"alert","step":"build/1","kind":"none","detail":"","bytes":null}\n',
    '{"type":"whose","id":-1,"step":"build/1","port":1}\n',
    '{"type":"token","id":1,"step":"build/1","question":{"method":"GET","target":"/"}}\n',
    '{"type":"token","id":1,"step":"build/1","question":{"method":"GET","target":"/\\u0007","authorization":null}}\n',
    `{"type":"token","id":1,"step":"build/1","question":{"method":"GET","target":"${'x'.repeat(8193)}","authorization":null}}\n`,
    `{"type":"step-closed","step":"build/1","used":[],"refused":[${'0,'.repeat(2000)}0],"refusedMore":0}\n`,
    'x'.repeat(1024 * 1024 + 1),
  ]
  for (const line of wrong) {
    const { client, say } = fakeGate()
    const ready = client.configure(config)
    say(line)
    await assert.rejects(ready, GateError, line.slice(0, 80))
    assert.match(await client.lost, /said something that no gate says/)
  }
})

test('a request for a token is answered; with nothing where nobody can', async () => {
  const answer = { status: 200, headers: {}, body: '{}' }
  const answers = [Promise.resolve(answer), Promise.reject(new Error('gone'))]
  const asked: unknown[] = []
  const token: GateHandlers['token'] = (step, question) => {
    asked.push([step, question])
    return answers.shift() ?? Promise.resolve(null)
  }
  const { client, say, said } = fakeGate({ token })
  const ready = client.configure(config)
  const question = { method: 'GET', target: '/token?api-version=2.0', authorization: 'bearer x' }
  say({ type: 'token', id: 1, step: 'build/1', question })
  say({ type: 'token', id: 2, step: 'build/1', question: { ...question, authorization: null } })
  say({ type: 'ready', authority: null })
  await ready
  await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(asked, [
    ['build/1', question],
    ['build/1', { ...question, authorization: null }],
  ])
  assert.deepEqual(said.slice(1), [
    { type: 'token-answer', id: 1, answer },
    { type: 'token-answer', id: 2, answer: null },
  ])
})

test('a gate that asks for too many tokens at a time is lost', async () => {
  const { client, say } = fakeGate({ token: () => new Promise(() => undefined) })
  const question = { method: 'GET', target: '/token', authorization: null }
  for (let id = 0; id <= TOKEN_QUESTIONS_MAX; id++) say({ type: 'token', id, step: 'build/1', question })
  assert.match(await client.lost, /too many requests for tokens/)
})

test('a gate that asks too much at a time is lost', async () => {
  const { client, say } = fakeGate({ whose: () => new Promise(() => undefined) })
  for (let id = 0; id <= 256; id++) say({ type: 'whose', id, step: 'build/1', port: 1 })
  assert.match(await client.lost, /too many questions/)
})

test('no line of JSON makes anything but a loss of the gate or a known message', () => {
  return fc.assert(
    fc.asyncProperty(fc.oneof(fc.json(), fc.string()), async (line) => {
      const { client, say, heard } = fakeGate({ answerMs: 50 })
      client.configure(config).catch(() => undefined)
      say(`${line.replaceAll('\n', ' ')}\n`)
      await client.lost
      assert.deepEqual(heard, [])
    }),
    { numRuns: 20 },
  )
})
