// SPDX-License-Identifier: Apache-2.0
// Who may ask for identity tokens: what the gate says of it is believed for the step whose doors are open, and only where it was granted.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeGate, NO_RULES } from './_fake-gate.ts'

const question = { method: 'GET', target: '/token', authorization: 'bearer x' }
const answer = { status: 200, headers: {}, body: '{}' }

async function ask(fake: FakeGate, id: number, step: string): Promise<unknown> {
  fake.say({ type: 'token', id, step, question })
  await new Promise((resolve) => setImmediate(resolve))
  const said = fake.heard.find((message) => message.type === 'token-answer' && message.id === id)
  return said?.type === 'token-answer' ? said.answer : 'none yet'
}

test('a request is answered for the open step, with the source that it has, and for no other', async () => {
  const fake = new FakeGate()
  const sources: string[] = []
  fake.gate.answerTokens(async (_, source) => {
    sources.push(source)
    return answer
  })
  fake.attach()
  await fake.gate.launch.ready
  assert.equal(await ask(fake, 1, '1'), null, 'between steps')
  await fake.gate.openStep('1', NO_RULES, { asksTokens: true })
  assert.deepEqual(await ask(fake, 2, '1'), answer)
  assert.equal(await ask(fake, 3, '2'), null, 'another step')
  await fake.gate.closeStep()
  assert.equal(await ask(fake, 4, '1'), null, 'a step that has ended')
  await fake.gate.openStep('2', NO_RULES)
  assert.equal(await ask(fake, 5, '2'), null, 'a step without a grant')
  assert.deepEqual(sources, ['198.18.1.1'])
})

test('what cannot be answered is answered with nothing', async () => {
  const fake = new FakeGate()
  fake.gate.answerTokens(() => Promise.reject(new Error('the disk is full')))
  fake.attach()
  await fake.gate.openStep('1', NO_RULES, { asksTokens: true })
  assert.equal(await ask(fake, 1, '1'), null)
})
