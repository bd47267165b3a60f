// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import type { VersionFacts } from '../contract.ts'
import { makeTemporaryDirectory } from '../embedded/_fixtures.ts'
import type { HookCall, HookResult } from '../embedded/rotation-hook.spawn.ts'
import type { RotationRecipe } from '../embedded/store-content.ts'
import { SecretsError } from '../secrets-error.ts'
import { abandonAtManager, isRotationPending, type ManagerRotationParts, rotateAtManager } from './manager-rotation.ts'

const DONE: HookResult = { failure: null, stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) }
const HOOK: RotationRecipe = { generate: null, hook: '/hook', field: null }
const PLACE = { provider: 'openbao', address: { path: 'kv/ci/token', field: 'value', version: null, parameters: {} } }
const OLD = 'the-old-value-4711'
const NEW = 'the-new-value-4712'

/** A manager with one secret, which whoever rotates may be cut off from at any of its steps. */
class Manager {
  readonly directory: string
  readonly said: string[] = []
  way: VersionFacts['way'] = 'write'
  value = OLD
  version = 1
  isRotating = false
  /** The step that is the last one; null: none. */
  killedAt: string | null = null

  constructor(t: TestContext) {
    this.directory = join(makeTemporaryDirectory(t), 'rotations')
  }

  get parts(): ManagerRotationParts {
    return {
      directory: this.directory,
      place: PLACE,
      waitMs: 20,
      broker: {
        look: async () => ({ version: String(this.version), createdAtMs: 0, way: this.way, isRotating: this.isRotating }),
        rotate: async (_place, id) => {
          this.#say(`rotate ${id.length}`, () => this.#become(NEW))
        },
        replace: async (_place, { old, value }) => {
          const [before, after] = [Buffer.from(old).toString(), Buffer.from(value).toString()]
          if (this.value !== before && this.value !== after) throw new SecretsError('ROTATION_FAILED', 'changed')
          this.#say('replace', () => this.value === after || this.#become(after))
          return String(this.version)
        },
      },
      read: async () => ({ fields: new Map([['value', Buffer.from(this.value)]]), version: '1', createdAtMs: 0, expiresAtMs: null }),
      runHook: async (call) => this.#hook(call),
      report: async () => undefined,
      announce: async (phase) => this.#say(`log ${phase ?? 'ended'}`),
    }
  }

  #hook({ phase, name, old, candidate }: HookCall): HookResult {
    assert.equal(name, 'openbao:kv/ci/token#value')
    this.#say(`${phase} ${Buffer.from(old)} ${candidate === null ? '-' : Buffer.from(candidate)} at ${this.value}`)
    return phase === 'create' ? { ...DONE, stdout: Buffer.from(`${NEW}\n`) } : DONE
  }

  /** What it does is done, and nobody hears of it. */
  #say(step: string, act: () => unknown = () => undefined): void {
    this.said.push(step)
    act()
    if (this.killedAt !== null && step.startsWith(this.killedAt)) throw new Error('killed')
  }

  #become(value: string): void {
    this.value = value
    this.version += 1
  }
}

const STEPS = ['log create', 'create', 'log test', 'test', 'log publish', 'replace', 'log retire', 'retire', 'log ended']

describe('a rotation at a manager by a hook', () => {
  test('makes the new value the current one before the old one ends, and leaves nothing', async (t) => {
    const manager = new Manager(t)
    assert.deepEqual(await rotateAtManager(manager.parts, HOOK), { version: '2', isResumed: false })
    assert.deepEqual(manager.said, [
      'log create',
      `create ${OLD} - at ${OLD}`,
      'log test',
      `test ${OLD} ${NEW} at ${OLD}`,
      'log publish',
      'replace',
      'log retire',
      `retire ${OLD} ${NEW} at ${NEW}`,
      'log ended',
    ])
    assert.deepEqual(
      readdirSync(manager.directory).filter((name) => !name.endsWith('.lock')),
      [],
    )
  })

  for (const killedAt of STEPS)
    test(`that was cut off at "${killedAt}" is ended by the next call`, async (t) => {
      const manager = new Manager(t)
      manager.killedAt = killedAt
      await assert.rejects(rotateAtManager(manager.parts, HOOK), /killed/)
      for (const name of readdirSync(manager.directory, { recursive: true, encoding: 'utf8' })) {
        const bytes = readBytes(join(manager.directory, name))
        assert.ok(!bytes.includes(OLD) && !bytes.includes(NEW), name)
      }
      manager.killedAt = null
      await rotateAtManager(manager.parts, killedAt === 'log create' ? HOOK : null)
      assert.equal(manager.value, NEW)
      assert.equal(manager.version, 2)
      assert.equal(
        manager.said.filter((step) => step.startsWith('retire')).length,
        killedAt === 'retire' || killedAt === 'log ended' ? 2 : 1,
      )
      assert.equal(isRotationPending(manager.directory, PLACE), false)
    })

  test('is refused where nothing says how, and where somebody else has changed it', async (t) => {
    const manager = new Manager(t)
    await assert.rejects(rotateAtManager(manager.parts, null), { code: 'ROTATION_FAILED' })
    assert.equal(isRotationPending(manager.directory, PLACE), false)
    const unread = { ...manager.parts, read: async () => Promise.reject(new SecretsError('PROVIDER_DENIED', 'it may not')) }
    await assert.rejects(rotateAtManager(unread, HOOK), { code: 'PROVIDER_DENIED' })
    assert.equal(isRotationPending(manager.directory, PLACE), false)
    manager.killedAt = 'test'
    await assert.rejects(rotateAtManager(manager.parts, HOOK), /killed/)
    manager.killedAt = null
    manager.value = 'of somebody else'
    await assert.rejects(rotateAtManager(manager.parts, null), { code: 'ROTATION_FAILED' })
    await assert.rejects(rotateAtManager(manager.parts, { ...HOOK, generate: 20 }), { code: 'ROTATION_PENDING' })
    assert.equal(await abandonAtManager(manager.parts), true)
    assert.equal(await abandonAtManager(manager.parts), false)
    assert.equal(manager.value, 'of somebody else')
  })

  test('of a value that nobody else has to know needs no hook', async (t) => {
    const manager = new Manager(t)
    await rotateAtManager(manager.parts, { generate: 24, hook: null, field: null })
    assert.match(manager.value, /^[A-Za-z0-9]{24}$/)
    assert.deepEqual(manager.said, ['log test', 'log publish', 'replace', 'log retire', 'log ended'])
  })
})

describe("a manager's own rotation", () => {
  test('is asked for once, and waited for', async (t) => {
    const manager = new Manager(t)
    manager.way = 'native'
    assert.deepEqual(await rotateAtManager(manager.parts, null), { version: '2', isResumed: false })
    assert.deepEqual(manager.said, ['log manager', 'rotate 36', 'log ended'])
  })

  for (const killedAt of ['log manager', 'rotate', 'log ended'])
    test(`that was cut off at "${killedAt}" happens once`, async (t) => {
      const manager = new Manager(t)
      manager.way = 'native'
      manager.killedAt = killedAt
      await assert.rejects(rotateAtManager(manager.parts, null), /killed/)
      manager.killedAt = null
      const { isResumed } = await rotateAtManager(manager.parts, null)
      assert.deepEqual([manager.version, isResumed], [2, killedAt !== 'log manager'])
    })

  test('that does not end is pending, is not asked for once more, and is seen to end', async (t) => {
    const manager = new Manager(t)
    manager.way = 'native'
    manager.isRotating = true
    await assert.rejects(rotateAtManager(manager.parts, null), { code: 'ROTATION_PENDING' })
    assert.equal(isRotationPending(manager.directory, PLACE), true)
    manager.isRotating = false
    manager.version = 7
    assert.deepEqual(await rotateAtManager(manager.parts, null), { version: '7', isResumed: true })
    assert.ok(!manager.said.includes('rotate 36'))
  })
})

function readBytes(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EISDIR') return Buffer.alloc(0)
    throw error
  }
}
