// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { PassThrough, Readable } from 'node:stream'
import { test } from 'node:test'
import { GUARANTEES, type SelfCheckResult } from './contract.ts'
import type { Entered } from './native/enter.ts'
import { runSelfCheck, type SelfCheckInput } from './self-check.ts'

const LIMITS = { cpu: 2, memoryBytes: 1000, memorySwapBytes: 1000, pids: 64, diskBytes: 1, diskInodes: 1, openFiles: 16 }
const EFFECTIVE = { memoryBytes: 1000, memorySwapBytes: 1000, pids: 64, cpu: 2 }
const FROM_OUTSIDE = new Set(['memory-limit', 'pids-limit', 'cpu-limit'])
const SEEN = GUARANTEES.filter((guarantee) => !FROM_OUTSIDE.has(guarantee))

const INPUT = {
  limits: LIMITS,
  ids: 65_536,
  isRootless: false,
  effective: EFFECTIVE,
  hostname: 'x',
  image: 'host',
  network: 'none',
  kernel: 'shared',
} as const

interface Played {
  readonly released: string[]
  check(): Promise<readonly SelfCheckResult[]>
}

/** A sandbox whose canary says what the test wants. */
function play(canary: string, changes: Partial<SelfCheckInput> = {}, target = '17\n'): Played {
  const released: string[] = []
  const entered = (text: string): Entered => ({
    output: Readable.from(text === '' ? [] : [Buffer.from(text)]),
    input: new PassThrough(),
    errors: Readable.from([Buffer.from('its own words')]),
    begun: Promise.resolve(17),
    exit: Promise.resolve({ kind: 'exited', code: 3, message: null, files: {} }),
    hangUp: () => undefined,
  })
  const start: SelfCheckInput['start'] = ([mode = '']) => ({
    entered: entered(mode === 'canary' ? canary : target),
    kill: () => undefined,
    release: () => void released.push(mode),
  })
  const input = {
    ...INPUT,
    start,
    startCanary: async (...[argv, files]: Parameters<SelfCheckInput['start']>) => start(argv, files),
    ...changes,
  }
  return { released, check: () => runSelfCheck(input, new AbortController().signal) }
}

const report = (lines: readonly string[]): string => `${[...lines, `done ${lines.length}`].join('\n')}\n`
const HOLDS = SEEN.map((guarantee) => `${guarantee} holds it was tried`)

const failedOf = (results: readonly SelfCheckResult[]): string[] => results.filter(({ holds }) => !holds).map(({ guarantee }) => guarantee)

test('all walls stand when each was tried and holds', async () => {
  assert.deepEqual(failedOf(await play(report(HOLDS)).check()), [])
})

test('a wall that fails is named with its evidence, also among others of its name that hold', async () => {
  for (const [kernel, by] of [
    ['shared', 'kernel'],
    ['own', 'sentry'],
  ] as const) {
    const results = await play(report([...HOLDS, 'seccomp fails mount: allowed']), { kernel }).check()
    assert.deepEqual(
      results.filter(({ holds }) => !holds),
      [{ guarantee: 'seccomp', holds: false, evidence: 'mount: allowed', by }],
    )
  }
})

for (const guarantee of SEEN) {
  test(`a canary that says nothing about ${guarantee} has not tried it`, async () => {
    assert.deepEqual(failedOf(await play(report(HOLDS.filter((line) => !line.startsWith(`${guarantee} `)))).check()), [guarantee])
  })
}

for (const [what, canary] of [
  ['nothing', ''],
  ['no last line', `${HOLDS.join('\n')}\n`],
  ['a wrong count', `${HOLDS.join('\n')}\ndone ${HOLDS.length + 1}\n`],
  ['a last line without its end', report(HOLDS).trimEnd()],
  ['an unknown guarantee', report([...HOLDS, 'anything holds x'])],
  ['a line without a verdict', report([...HOLDS, 'seccomp'])],
  ['a verdict of its own', report([...HOLDS, 'seccomp perhaps x'])],
  ['binary', '\0\u0001\u0002\n'],
] as const) {
  test(`a canary that says ${what} is no self-check`, async () => {
    const played = play(canary)
    await assert.rejects(played.check(), { code: 'SANDBOX_FAILED' })
    assert.deepEqual(played.released.sort(), ['canary', 'canary-target'])
  })
}

for (const [what, target] of [
  ['nothing', ''],
  ['no number', 'x\n'],
  ['a number without its end', '17'],
] as const) {
  test(`a target that says ${what} is no self-check`, async () => {
    const played = play(report(HOLDS), {}, target)
    await assert.rejects(played.check(), { code: 'SANDBOX_FAILED' })
    assert.deepEqual(played.released.sort(), ['canary', 'canary-target'])
  })
}

for (const [name, effective, guarantee] of [
  ['no memory limit', { memoryBytes: null }, 'memory-limit'],
  ['a greater memory limit', { memoryBytes: 1100 }, 'memory-limit'],
  ['swap beside the memory', { memorySwapBytes: 2000 }, 'memory-limit'],
  ['no limit of processes', { pids: null }, 'pids-limit'],
  ['one process more', { pids: 65 }, 'pids-limit'],
  ['no quota of the processor', { cpu: null }, 'cpu-limit'],
  ['a limit that is no number', { cpu: Number.NaN }, 'cpu-limit'],
] as const) {
  test(`a kernel that has ${name} fails ${guarantee}`, async () => {
    assert.deepEqual(failedOf(await play(report(HOLDS), { effective: { ...EFFECTIVE, ...effective } }).check()), [guarantee])
  })
}

test('an abort ends the check, whatever its canaries are about, and leaves none of them', async () => {
  for (const says of [[], ['17\n']]) {
    const controller = new AbortController()
    const released: string[] = []
    const start: SelfCheckInput['start'] = ([mode = '']) => silentUntilKilled(mode === 'canary' ? [] : says, () => released.push(mode))
    const startCanary: SelfCheckInput['startCanary'] = async (argv, files) => {
      setImmediate(() => controller.abort(new Error('stop')))
      return start(argv, files)
    }
    await assert.rejects(runSelfCheck({ ...INPUT, start, startCanary }, controller.signal), /stop/)
    assert.deepEqual(released.sort(), ['canary', 'canary-target'])
  }
})

test('a canary that cannot be killed at an abort does not keep the others, and is told of', async () => {
  const controller = new AbortController()
  const released: string[] = []
  const start: SelfCheckInput['start'] = ([mode = '']) => {
    const helper = silentUntilKilled(mode === 'canary' ? [] : ['17\n'], () => released.push(mode))
    if (mode === 'canary') return helper
    return { ...helper, kill: () => assert.fail('it cannot be killed') }
  }
  const startCanary: SelfCheckInput['startCanary'] = async (argv, files) => {
    setImmediate(() => controller.abort(new Error('stop')))
    return start(argv, files)
  }
  await assert.rejects(runSelfCheck({ ...INPUT, start, startCanary }, controller.signal), /it cannot be killed/)
})

test('nothing is started for who has aborted before', async () => {
  const start = (): never => assert.fail('a canary is started')
  await assert.rejects(runSelfCheck({ ...INPUT, start, startCanary: start }, AbortSignal.abort(new Error('stop'))), /stop/)
})

function silentUntilKilled(says: readonly string[], release: () => void): ReturnType<SelfCheckInput['start']> {
  const output = new PassThrough()
  for (const text of says) output.write(text)
  const exit = Promise.withResolvers<Awaited<Entered['exit']>>()
  const kill = (): void => {
    output.end()
    exit.resolve({ kind: 'signalled', code: 9, message: null, files: {} })
  }
  const entered = {
    output,
    input: null,
    errors: Readable.from([]),
    begun: Promise.resolve(17),
    exit: exit.promise,
    hangUp: () => undefined,
  }
  return { entered, kill, release }
}
