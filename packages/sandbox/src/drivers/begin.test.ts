// SPDX-License-Identifier: Apache-2.0
// A sandbox in two halves: its gate starts before anybody knows the rest.
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { EchoGate, gateSpec } from '../_with-gate.ts'
import { createDriver } from './registry.ts'

const skip = process.getuid?.() === 0 ? false : 'sandboxes need root'
const directory = mkdtempSync(join(tmpdir(), 'sallyport-begin-'))
after(() => rmSync(directory, { recursive: true, force: true }))

/** Process ids of the keepers that this process has started. */
function keepers(): string[] {
  return readdirSync('/proc').filter((name) => {
    try {
      const [, rest = ''] = readFileSync(`/proc/${name}/stat`, 'utf8').split(') ')
      const isOurs = rest.split(' ')[1] === String(process.pid)
      return isOurs && readFileSync(`/proc/${name}/cmdline`, 'utf8').includes('keeper')
    } catch {
      return false // No process, or one that has ended.
    }
  })
}

describe('a sandbox that has begun', { skip }, () => {
  it('is built with the gate that it began with', async () => {
    const gate = new EchoGate()
    const beginning = createDriver('runc', directory).begin(gate.launch, AbortSignal.timeout(30_000))
    assert.equal(keepers().length, 1)
    await using _ = await beginning.build(gateSpec(gate.launch))
    await beginning[Symbol.asyncDispose]()
    assert.equal(keepers().length, 1, 'what was built stays')
    await assert.rejects(beginning.build(gateSpec(gate.launch)), TypeError)
  })

  it('is not built with another gate, or without one', async () => {
    await using beginning = createDriver('runc', directory).begin(new EchoGate().launch, AbortSignal.timeout(30_000))
    await assert.rejects(beginning.build(gateSpec(new EchoGate().launch)), TypeError)
    await assert.rejects(beginning.build(gateSpec(null)), TypeError)
  })

  it('leaves nothing when it is not built', async () => {
    {
      await using _ = createDriver('runc', directory).begin(new EchoGate().launch, AbortSignal.timeout(30_000))
      assert.equal(keepers().length, 1)
    }
    assert.deepEqual(keepers(), [])
  })

  it('ends with an abort before it is built', async () => {
    const controller = new AbortController()
    const gate = new EchoGate()
    const beginning = createDriver('runc', directory).begin(gate.launch, controller.signal)
    controller.abort()
    await assert.rejects(beginning.build(gateSpec(gate.launch)), { name: 'AbortError' })
    assert.deepEqual(keepers(), [])
  })
})
