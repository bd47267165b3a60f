// SPDX-License-Identifier: Apache-2.0
// Shipping between processes that are killed, and on disks that are full. Test/fault/shipping-system-calls.test.ts has every single step of it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '../_world.ts'
import { ShippingWorld } from './_shipping-world.ts'

const WAIT_MS = 120_000

test('sources and receiver that are killed again and again: every record stands in the log once, in order', async (t) => {
  const names = ['host/a', 'host/b', 'host/c']
  using world = new ShippingWorld(names)
  await world.startReceiver()
  const target = 240
  let kills = 0
  const sources = names.map(async (name, index) => {
    // Each is killed at another place each time: after one append, in the middle, near the end
    for (const killAfter of [1 + index, 9 + index, 17 - index])
      if ((await world.runSource(name, { count: target, killAfter })) === null) kills += 1
    assert.equal(await world.runSource(name, { count: target }), 0)
  })
  const all = Promise.all(sources)
  for (const words of [6, 20, 45]) {
    await until('the sources', () => world.said.length >= words, WAIT_MS)
    await world.killReceiver()
    await world.startReceiver()
  }
  await all
  const found = await world.assertAllReceived()
  t.diagnostic(`${kills} kills of sources, 3 of the receiver, ${world.said.length} appends`)
  assert.equal(kills, 9)
  for (const texts of found.values()) assert.ok(texts.length >= target)
})

test('a source whose disk is full counts what it loses, and the receiver has the gap', async (t) => {
  using world = new ShippingWorld(['host/full'])
  await world.startReceiver()
  await world.killReceiver()
  // Nobody takes anything until the disk has been full for a while
  const source = world.runSource('host/full', { count: 2000, disk: '128k' })
  await until('losses', () => world.said.filter(({ isKept }) => !isKept).length >= 20, WAIT_MS)
  await world.startReceiver()
  assert.equal(await source, 0)
  const [texts = []] = [...(await world.assertAllReceived()).values()]
  const lost = world.said.filter(({ isKept }) => !isKept).reduce((sum, { count }) => sum + count, 0)
  t.diagnostic(`${lost} of ${texts.length} lost`)
  assert.equal(texts.filter((text) => text === null).length, lost)
  assert.ok(lost > 0 && lost < texts.length)
})

test('a receiver whose disk is full takes nothing until there is room, and then all', async () => {
  using world = new ShippingWorld(['host/a', 'host/b'])
  await world.startReceiver({ disk: '1m', ballast: 900_000 })
  const sources = ['host/a', 'host/b'].map((name) => world.runSource(name, { count: 800 }))
  await until('the disk to be full', () => world.receiverSaid.some((said) => said.type === 'failed' && said.code === 'STORE_FULL'), WAIT_MS)
  world.tellReceiver('free')
  assert.deepEqual(await Promise.all(sources), [0, 0])
  const found = await world.assertAllReceived()
  for (const texts of found.values()) assert.ok(texts.every((text) => text !== null))
})
