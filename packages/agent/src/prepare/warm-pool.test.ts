// SPDX-License-Identifier: Apache-2.0
// Sandboxes that wait for their jobs: real ones.
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { SANDBOX_PATHS } from '@sallyport/sandbox'
import { effectiveLimits } from '../admit/limits.ts'
import { type GateAccess, JobGate } from '../gate/job-gate.ts'
import { HOST_IMAGE } from '../images/job-image.ts'
import { prepareSandbox } from './prepare-sandbox.ts'
import { type WarmClass, WarmPool } from './warm-pool.ts'

const skip = process.getuid?.() === 0 ? false : 'sandboxes need root'
const stateDirectory = mkdtempSync(join(tmpdir(), 'sallyport-pool-'))
after(() => rmSync(stateDirectory, { recursive: true, force: true }))

const LIMITS = { ...effectiveLimits({}), memoryBytes: 256 << 20, memorySwapBytes: 256 << 20, diskBytes: 64 << 20, diskInodes: 4096 }
const CLASS: WarmClass = {
  stateDirectory,
  isolation: { driver: 'runc', name: 'oci', runsc: undefined, notice: null },
  limits: LIMITS,
  askedLimits: [],
  directories: [SANDBOX_PATHS.work],
}
const NOTHING: GateAccess = {
  gate: { nameServers: [], hosts: {}, trustedHosts: [], privateNetworks: [], ownAddresses: [], authorities: null, terminates: [] },
  bytesOutMax: 0,
}
const NEVER = new AbortController().signal
const JOB = { id: 'job', image: Promise.resolve(HOST_IMAGE), signal: NEVER }

/** Keepers that this process has started, by process id. */
function keepers(): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const [, rest = ''] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')
        return rest.split(' ')[1] === String(process.pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('keeper')
      } catch {
        return false // It has ended.
      }
    })
    .map(Number)
}

async function until(what: string, isSo: () => boolean): Promise<void> {
  for (let look = 0; look < 3000; look += 1) {
    if (isSo()) return
    await sleep(10)
  }
  assert.fail(`waited for 30 s: ${what}`)
}

function claim(pool: WarmPool, gate: JobGate, wanted: WarmClass = CLASS, signal: AbortSignal = NEVER): ReturnType<WarmPool['claim']> {
  return pool.claim({ wanted, image: HOST_IMAGE.spec, launch: gate.launch, signal })
}

async function claimed(pool: WarmPool, wanted: WarmClass = CLASS): Promise<Awaited<ReturnType<typeof prepareSandbox>>> {
  const gate = new JobGate(NOTHING)
  const begun = claim(pool, gate, wanted) ?? assert.fail('none waits')
  return prepareSandbox({ ...wanted, gate, begun, ...JOB })
}

describe('a pool of warm sandboxes', { skip }, () => {
  afterEach(() => assert.deepEqual(keepers(), [], 'a sandbox was left'))

  it('has one for a job, which is checked as any other is, and never for a second job', async () => {
    await using pool = new WarmPool()
    pool.fill(CLASS, HOST_IMAGE, 1)
    assert.equal(pool.size, 1)
    const prepared = await claimed(pool)
    assert.equal(pool.size, 0)
    assert.equal(claim(pool, new JobGate(NOTHING)), null)
    assert.ok(prepared.checks.length > 200 && prepared.checks.every(({ holds }) => holds))
    const step = await prepared.sandbox.startStep({
      id: '1',
      argv: ['/bin/sh', '-c', 'test -d /home/runner/work'],
      env: {},
      workingDirectory: '/',
      files: [],
      collect: [],
      collectBytesMax: 0,
      network: null,
    })
    step.output.resume()
    assert.equal((await step.exit).code, 0)
    await prepared.sandbox[Symbol.asyncDispose]()
  })

  it('has none for a job of another class', async () => {
    await using pool = new WarmPool()
    pool.fill(CLASS, HOST_IMAGE, 1)
    assert.equal(claim(pool, new JobGate(NOTHING), { ...CLASS, limits: { ...LIMITS, pids: 9 } }), null)
    assert.equal(claim(pool, new JobGate(NOTHING), { ...CLASS, directories: [] }), null)
    assert.equal(pool.size, 1)
  })

  it('runs nothing in what waits: no process has the job’s ids but PID 1, which has not begun', async () => {
    await using pool = new WarmPool()
    pool.fill(CLASS, HOST_IMAGE, 1)
    await until('its PID 1 is there', () => keepers().some((keeper) => childrenOf(keeper).some(isInit)))
    const inits = keepers().flatMap(childrenOf).filter(isInit)
    // What the runtime leaves before the container is started is itself.
    for (const pid of inits)
      assert.match(
        orNothing(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8'), 'runc'),
        /runc/,
      )
  })

  it('throws away one whose keeper was killed, and says nothing of it', async () => {
    await using pool = new WarmPool()
    pool.fill(CLASS, HOST_IMAGE, 1)
    await until('its gate is there', () => keepers().some((keeper) => childrenOf(keeper).length > 0))
    for (const pid of keepers()) process.kill(pid, 'SIGKILL')
    await until('the pool has noticed', () => pool.size === 0)
    pool.fill(CLASS, HOST_IMAGE, 1)
    const prepared = await claimed(pool)
    await prepared.sandbox[Symbol.asyncDispose]()
  })

  it('ends what was claimed by a job that is interrupted meanwhile', async () => {
    await using pool = new WarmPool()
    pool.fill(CLASS, HOST_IMAGE, 1)
    const stop = new AbortController()
    const gate = new JobGate(new Promise(() => undefined))
    const begun = claim(pool, gate, CLASS, stop.signal) ?? assert.fail('none waits')
    const preparing = prepareSandbox({ ...CLASS, ...JOB, gate, begun, signal: stop.signal })
    stop.abort()
    await assert.rejects(preparing, { name: 'AbortError' })
    await until('its keeper has ended', () => keepers().length === 0)
  })

  it('gives no sandbox that was made with other settings than it is asked for', async () => {
    await using pool = new WarmPool()
    pool.fill(CLASS, HOST_IMAGE, 1)
    const gate = new JobGate(NOTHING)
    const begun = claim(pool, gate) ?? assert.fail('none waits')
    const other = { ...CLASS, limits: { ...LIMITS, memoryBytes: 512 << 20 } }
    await assert.rejects(prepareSandbox({ ...other, ...JOB, gate, begun }), TypeError)
    const prepared = await prepareSandbox({ ...CLASS, ...JOB, gate, begun })
    await prepared.sandbox[Symbol.asyncDispose]()
  })
})

/** Of a process that may have ended meanwhile: none, and no text. */
function orNothing<T>(read: () => T, nothing: T): T {
  try {
    return read()
  } catch {
    return nothing // It has ended.
  }
}

function childrenOf(pid: number): readonly number[] {
  const tasks = orNothing(() => readdirSync(`/proc/${pid}/task`), [])
  const list = tasks.map((task) => orNothing(() => readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8'), ''))
  return list
    .flatMap((text) => text.split(' '))
    .filter((text) => text !== '')
    .map(Number)
}

/** In a pid namespace of its own. */
function isInit(pid: number): boolean {
  return /^NSpid:\t\d+\t1$/m.test(orNothing(() => readFileSync(`/proc/${pid}/status`, 'utf8'), ''))
}
