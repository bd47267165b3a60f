// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NameTable } from './name-table.ts'

const opened = (...steps: string[]): NameTable => {
  const table = new NameTable()
  for (const step of steps) table.open({ step, relays: [] })
  return table
}

test('a name has the same address every time, and the address means the name', () => {
  const table = opened('a')
  const address = table.addressOf('a', 'x.test')
  assert.match(address ?? '', /^198\.19\.\d+\.\d+$/)
  assert.equal(table.addressOf('a', 'x.test'), address)
  assert.equal(table.nameOf('a', address ?? ''), 'x.test')
})

test('an address means nothing to another step, which has its own for the same name', () => {
  const table = opened('a', 'b')
  const ofA = table.addressOf('a', 'x.test') ?? ''
  const ofB = table.addressOf('b', 'x.test') ?? ''
  assert.notEqual(ofA, ofB)
  assert.deepEqual([table.nameOf('b', ofA), table.nameOf('a', ofB)], [null, null])
})

test('a step that is not open has no names', () => {
  const table = opened('a')
  assert.equal(table.addressOf('b', 'x.test'), null)
  assert.equal(table.nameOf('b', '198.19.0.1'), null)
})

test('the address of a step that has ended means nothing, and nothing else while others are unused', () => {
  const table = opened('a')
  const old = table.addressOf('a', 'x.test') ?? ''
  table.forget('a')
  assert.equal(table.nameOf('a', old), null)
  table.open({ step: 'b', relays: [] })
  for (let index = 0; index < 4096; index += 1) assert.notEqual(table.addressOf('b', `n${index}.test`), old)
})

test('a step has at most 4,096 names, and keeps those that it has', () => {
  const table = opened('a', 'b')
  for (let index = 0; index < 4096; index += 1) assert.ok(table.addressOf('a', `n${index}.test`) !== null)
  assert.equal(table.addressOf('a', 'one-more.test'), null)
  assert.equal(table.addressOf('a', 'n4095.test'), table.addressOf('a', 'n4095.test'))
  assert.ok(table.addressOf('b', 'one-more.test') !== null)
})

test('addresses of ended steps are used again only when there are no others, and never one that is in use', () => {
  const table = opened()
  const seen = new Map<string, string>()
  const fill = (step: string): void => {
    table.open({ step, relays: [] })
    for (let index = 0; index < 4096; index += 1) {
      const address = table.addressOf(step, `n${index}.test`)
      if (address === null) return
      const holder = seen.get(address)
      assert.ok(holder === undefined || holder === 'first', `${address} is ${holder}'s`)
      assert.doesNotMatch(address, /^198\.19\.255\.|\.(0|255)$/)
      seen.set(address, step)
    }
  }
  fill('first')
  const voided = [...seen.keys()]
  table.forget('first')
  for (let step = 0; step < 15; step += 1) fill(`step ${step}`)
  assert.equal(seen.size, 255 * 254)
  assert.ok(voided.some((address) => seen.get(address) !== 'first'))
  table.open({ step: 'last', relays: [] })
  for (let index = 0; index < 4096; index += 1) table.addressOf('last', `n${index}.test`)
  assert.equal(table.addressOf('last', 'none-left.test'), null)
})

test('a name with a relay has the fixed address of its first relay, and each relay means its name', () => {
  const table = new NameTable()
  const relays = [
    { index: 2, name: 'time.test', port: 123 },
    { index: 3, name: 'time.test', port: 4460 },
  ]
  table.open({ step: 'a', relays })
  assert.equal(table.addressOf('a', 'time.test'), '198.19.255.3')
  assert.deepEqual(
    [table.nameOf('a', '198.19.255.3'), table.nameOf('a', '198.19.255.4'), table.nameOf('a', '198.19.255.1')],
    ['time.test', 'time.test', null],
  )
  table.forget('a')
  assert.equal(table.nameOf('a', '198.19.255.3'), null)
})
