// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { getValue, makeStore, makeTemporaryDirectory, NOW_MS, setValue } from './_fixtures.ts'
import { generateValue } from './generate-value.ts'
import { abandonRotation, type RotationPorts, rotateSecret } from './rotate.ts'
import { type HookCall, type HookResult, runHook } from './rotation-hook.spawn.ts'
import { withoutVersion, withVersion } from './store-changes.ts'
import type { RotationPhase, RotationRecipe } from './store-content.ts'

const DONE: HookResult = { failure: null, stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) }
const none = async (): Promise<void> => undefined

/** What came of each call: phase, old value, new value, id. */
type Calls = [RotationPhase, string, string | null, string][]

function ports(calls: Calls, answer: (call: HookCall) => HookResult = () => DONE): RotationPorts {
  return {
    runHook: async (call) => {
      const { phase, old, candidate, rotation } = call
      calls.push([phase, Buffer.from(old).toString(), candidate === null ? null : Buffer.from(candidate).toString(), rotation])
      return answer(call)
    },
    report: none,
    announce: none,
  }
}

const phasesOf = (calls: Calls): readonly unknown[] => calls.map(([phase, old, candidate]) => [phase, old, candidate])
const HOOKED: RotationRecipe = { generate: null, hook: '/hook', field: null }
const MADE: RotationRecipe = { generate: 24, hook: '/hook', field: null }

describe('a rotation', () => {
  test('without a hook is a new version of random letters', async (t) => {
    const { store } = await makeStore(t, { TOKEN: 'old' })
    assert.deepEqual(await rotateSecret(store, 'TOKEN', { generate: 32, hook: null, field: null }, ports([])), {
      version: 2,
      isResumed: false,
    })
    const value = await getValue(store, 'TOKEN')
    assert.match(value, /^[A-Za-z0-9]{32}$/)
    assert.equal(await getValue(store, 'TOKEN', '1'), 'old')
    await rotateSecret(store, 'TOKEN', null, ports([])) // As the last time
    assert.notEqual(await getValue(store, 'TOKEN'), value)
  })

  test('has the hook make a value, test it, and retire the old one only when the new one is the current one', async (t) => {
    const { store } = await makeStore(t, { TOKEN: 'old' })
    const calls: Calls = []
    const seen: string[] = []
    const rotating = ports(calls, ({ phase }) => (phase === 'create' ? { ...DONE, stdout: Buffer.from('new\n') } : DONE))
    await rotateSecret(store, 'TOKEN', HOOKED, {
      ...rotating,
      runHook: async (call) => {
        seen.push(await getValue(store, 'TOKEN'))
        return rotating.runHook(call)
      },
    })
    assert.deepEqual(phasesOf(calls), [
      ['create', 'old', null],
      ['test', 'old', 'new'],
      ['retire', 'old', 'new'],
    ])
    assert.deepEqual(seen, ['old', 'old', 'new'])
    assert.equal(new Set(calls.map(([, , , id]) => id)).size, 1)
  })

  test('puts a value that we made in place before it is tested', async (t) => {
    const { store } = await makeStore(t, { TOKEN: 'old' })
    const calls: Calls = []
    await rotateSecret(store, 'TOKEN', MADE, ports(calls))
    const value = await getValue(store, 'TOKEN')
    assert.equal(value.length, 24)
    assert.deepEqual(phasesOf(calls), [
      ['install', 'old', value],
      ['test', 'old', value],
      ['retire', 'old', value],
    ])
  })

  test('replaces one field of several, and none without its name', async (t) => {
    const { store } = await makeStore(t)
    const fields = new Map([
      ['user', Buffer.from('ci')],
      ['password', Buffer.from('old')],
    ])
    await store.change((content) => withVersion(content, { name: 'DB', fields, origin: 'set', nowMs: NOW_MS }))
    await assert.rejects(rotateSecret(store, 'DB', MADE, ports([])), { code: 'SECRET_FIELD_MISSING' })
    const calls: Calls = []
    await rotateSecret(store, 'DB', { ...MADE, field: 'password' }, ports(calls))
    assert.equal(calls[0]?.[1], 'old')
    assert.equal(await store.look(({ secrets }) => String(secrets.get('DB')?.versions.at(-1)?.fields.get('user'))), 'ci')
  })

  for (const failing of ['create', 'test', 'retire'] as const)
    test(`that fails in the phase ${failing} is taken up there, with the same value and id`, async (t) => {
      const { store } = await makeStore(t, { TOKEN: 'old' })
      const calls: Calls = []
      const answer = ({ phase }: HookCall): HookResult => ({
        ...DONE,
        stdout: Buffer.from(phase === 'create' ? 'new' : ''),
        failure: phase === failing && calls.filter(([called]) => called === failing).length === 1 ? 'ended with exit code 1' : null,
      })
      await assert.rejects(rotateSecret(store, 'TOKEN', HOOKED, ports(calls, answer)), { code: 'ROTATION_FAILED' })
      assert.equal(await getValue(store, 'TOKEN'), failing === 'retire' ? 'new' : 'old')
      await assert.rejects(setValue(store, 'TOKEN', 'other'), { code: 'ROTATION_PENDING' })
      await assert.rejects(
        store.change((content) => withoutVersion(content, 'TOKEN', '1', NOW_MS)),
        { code: 'ROTATION_PENDING' },
      )
      await assert.rejects(rotateSecret(store, 'TOKEN', MADE, ports(calls, answer)), { code: 'ROTATION_PENDING' })
      assert.deepEqual(await rotateSecret(store, 'TOKEN', null, ports(calls, answer)), { version: 2, isResumed: true })
      assert.equal(await getValue(store, 'TOKEN'), 'new')
      const phases = ['create', 'test', 'retire'].flatMap((phase) => (phase === failing ? [phase, phase] : [phase]))
      assert.deepEqual(
        calls.map(([phase]) => phase),
        phases,
      )
      assert.equal(new Set(calls.map(([, , , id]) => id)).size, 1)
    })

  test('may be given up, also while its hook runs', async (t) => {
    const { store } = await makeStore(t, { TOKEN: 'old' })
    await assert.rejects(
      rotateSecret(
        store,
        'TOKEN',
        MADE,
        ports([], () => ({ ...DONE, failure: 'ended with exit code 1' })),
      ),
    )
    assert.equal(await abandonRotation(store, 'TOKEN', none), true)
    assert.equal(await abandonRotation(store, 'TOKEN', none), false)
    assert.equal(await getValue(store, 'TOKEN'), 'old')
    await setValue(store, 'TOKEN', 'other')
    await assert.rejects(rotateSecret(store, 'NONE', MADE, ports([])), { code: 'SECRET_NOT_FOUND' })
  })

  test('does not begin where nothing says how, or where the hook prints nothing', async (t) => {
    const { store } = await makeStore(t, { TOKEN: 'old' })
    await assert.rejects(rotateSecret(store, 'TOKEN', null, ports([])), { code: 'ROTATION_FAILED' })
    await assert.rejects(rotateSecret(store, 'TOKEN', HOOKED, ports([])), /no new value/)
    assert.equal(await getValue(store, 'TOKEN'), 'old')
  })

  test('is alone', async (t) => {
    const { store } = await makeStore(t, { TOKEN: 'old', OTHER: 'old' })
    const answers = ports([])
    await rotateSecret(store, 'TOKEN', MADE, {
      ...answers,
      runHook: async () => {
        await assert.rejects(rotateSecret(store, 'OTHER', MADE, ports([])), { code: 'SECRET_STORE_LOCKED' })
        await setValue(store, 'OTHER', 'changed meanwhile')
        return DONE
      },
    })
    assert.equal(await getValue(store, 'OTHER'), 'changed meanwhile')
  })
})

describe('a hook', () => {
  /** `body`: of a shell script. */
  async function call(directory: string, body: string, old = 'old value', candidate: string | null = 'new value'): Promise<HookResult> {
    const program = join(directory, 'hook')
    writeFileSync(program, `#!/bin/sh\n${body}\n`, { mode: 0o755 })
    const values = { old: Buffer.from(old), candidate: candidate === null ? null : Buffer.from(candidate) }
    return runHook({ program, phase: 'test', name: 'TOKEN', rotation: 'id', ...values })
  }

  test('is given words as arguments, and values as descriptors alone', async (t) => {
    const directory = makeTemporaryDirectory(t)
    const { failure, stdout } = await call(
      directory,
      `tr '\\0' '\\n' < /proc/$$/cmdline > ${directory}/seen; tr '\\0' '\\n' < /proc/$$/environ >> ${directory}/seen; echo "$1 $2 $3"; cat <&3; echo; cat <&4`,
    )
    assert.equal(failure, null)
    assert.equal(stdout.toString(), 'test TOKEN id\nold value\nnew value')
    assert.ok(!/(old|new) value/.test(readFileSync(join(directory, 'seen'), 'utf8')))
  })

  test('fails with its exit code or signal, with what it said, or for not being there', async (t) => {
    const directory = makeTemporaryDirectory(t)
    const failed = await call(directory, 'echo no such user >&2; exit 7')
    assert.equal(failed.failure, 'ended with exit code 7')
    assert.equal(failed.stderr.toString(), 'no such user\n')
    assert.equal((await call(directory, 'kill -9 $$')).failure, 'was ended by SIGKILL')
    const missing = await runHook({
      program: join(directory, 'none'),
      phase: 'test',
      name: 'T',
      rotation: 'i',
      old: Buffer.from('o'),
      candidate: null,
    })
    assert.match(missing.failure ?? '', /ENOENT/)
    assert.equal(existsSync(join(directory, 'none')), false)
  })

  test('may print without end, ignore its descriptors, and be given the largest values', async (t) => {
    const directory = makeTemporaryDirectory(t)
    const flood = await call(
      directory,
      'head -c 50000000 /dev/zero; head -c 50000000 /dev/zero >&2',
      'o'.repeat(65_536),
      'n'.repeat(65_536),
    )
    assert.equal(flood.failure, null)
    assert.ok(flood.stdout.byteLength < 70_000 && flood.stderr.byteLength < 20_000)
    const counted = await call(directory, 'cat <&3 | wc -c; cat <&4 | wc -c', 'o'.repeat(65_536), 'n'.repeat(65_536))
    assert.match(counted.stdout.toString(), /^65536\s+65536\s$/)
    const left = await call(directory, 'sleep 30 & echo new')
    assert.equal(left.stdout.toString(), 'new\n')
  })
})

test('values that are made have every letter and digit about equally often', () => {
  const counts = new Map<number, number>()
  for (let round = 0; round < 100; round++) for (const byte of generateValue(1024)) counts.set(byte, (counts.get(byte) ?? 0) + 1)
  assert.equal(counts.size, 62)
  // 1,650 each; seven standard deviations
  for (const count of counts.values()) assert.ok(count > 1370 && count < 1940, `${count}`)
  for (const length of [0, 15, 1025, 20.5]) assert.throws(() => generateValue(length), TypeError)
})
