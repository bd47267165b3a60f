// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import { type EnterRequest, enterSandbox } from './enter.ts'
import { type Warden, WardenPool } from './warden-pool.spawn.ts'

const REQUEST: EnterRequest = {
  init: 2,
  uid: 100_000,
  capabilities: 0n,
  seccomp: new Uint8Array(),
  processes: 0,
  openFiles: 1,
  cgroups: [],
  argv: ['/bin/true'],
  env: {},
  workingDirectory: '/',
  privateDirectory: null,
  files: [],
  collect: [],
  collectBytesMax: 0,
  pump: false,
  begun: () => undefined,
}

const WITH_NUL: readonly Partial<EnterRequest>[] = [
  { argv: ['/bin/true\0'] },
  { argv: ['/bin/true', 'a\0b'] },
  { env: { NAME: 'a\0b' } },
  { env: { 'NA\0ME': 'a' } },
  { workingDirectory: '/tmp\0' },
  { cgroups: ['/sys\0'] },
  { collect: ['a\0b'] },
  { files: [{ name: 'a\0b', content: new Uint8Array(), mode: 0o644 }] },
  { privateDirectory: { path: '/run\0', bytes: 1 } },
]

const wardenOf = (helper: string) => (): Warden => new WardenPool(helper).take()
const neverTaken = (): Warden => {
  throw new TypeError('a warden was taken')
}

for (const change of WITH_NUL) {
  test(`a NUL is refused before anything is started: ${JSON.stringify(change).slice(0, 60)}`, () => {
    assert.throws(() => enterSandbox(neverTaken, { ...REQUEST, ...change }), { code: 'SANDBOX_INPUT' })
  })
}

test('a helper that is not there is a step that did not start, not an exception', async () => {
  const exit = await enterSandbox(wardenOf('/no/such/helper'), REQUEST).exit
  assert.equal(exit.kind, 'failed-to-start')
  assert.match(exit.message ?? '', /ENOENT/)
})

test('a warden that ends without a word is a step that did not start', async () => {
  const exit = await enterSandbox(wardenOf('/bin/false'), REQUEST).exit
  assert.deepEqual([exit.kind, exit.message], ['failed-to-start', "the step's warden ended with 1"])
})

test('a warden that ended while it waited is not given to a step', async () => {
  const pool = new WardenPool('/bin/false')
  pool.prepare(1)
  const first = pool.take()
  await first.ended
  const exit = await enterSandbox(() => first, REQUEST).exit
  assert.equal(exit.kind, 'failed-to-start')
  pool.close()
})

test('what a warden passed on is still there when the reader comes after its end', async () => {
  const pool = new WardenPool('/bin/echo')
  const warden = pool.take()
  await warden.ended
  await new Promise((resolve) => setTimeout(resolve, 20))
  let text = ''
  for await (const part of warden.output) text += String(part)
  assert.equal(text, 'enter\n')
  pool.close()
})

test('a closed pool keeps no warden and no descriptor', async () => {
  const descriptors = (): number => readdirSync('/proc/self/fd').length
  const before = descriptors()
  for (let round = 0; round < 20; round++) {
    const pool = new WardenPool(process.execPath)
    pool.prepare(2)
    pool.close()
    pool.prepare(1)
  }
  const deadline = performance.now() + 120_000
  while (descriptors() > before + 2 && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 10))
  assert.ok(descriptors() <= before + 2, `${before} descriptors became ${descriptors()}`)
})
