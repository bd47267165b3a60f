// SPDX-License-Identifier: Apache-2.0
// Thousands of sandboxes in a row, by one supervisor, leave nothing behind. SOAK_COUNT sets how many.
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { createDriver, type SandboxDriver, type SandboxSpec } from '@sallyport/sandbox'
import { createMarker, isSlotFree, type Place, tracesOf } from '../_host.ts'

const COUNT = Number(process.env['SOAK_COUNT'] ?? 10_000)
const AT_A_TIME = 2
/** The allocator keeps this much more or less to itself, whatever is asked of it. */
const GROWTH_BYTES_MAX = 16 << 20
const RESIDENT_BYTES_MAX = 400 << 20
const SLOTS = '/run/sallyport/slots'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

function specOf(index: number): SandboxSpec {
  return {
    id: `${PREFIX}-${index}`,
    image: { kind: 'host' },
    rootfs: 'disposable',
    limits: {
      cpu: 2,
      memoryBytes: 1 << 29,
      memorySwapBytes: 1 << 29,
      pids: 256,
      diskBytes: 1 << 30,
      diskInodes: 100_000,
      openFiles: 1024,
    },
    nodeBinary: process.execPath,
    readOnlyBinds: [],
    directories: [],
    hostname: 'soak',
    gate: null,
  }
}

const PREFIX = `soak-${process.pid}`

/** The walls are tried now and then: the ten-thousandth sandbox is no weaker than the first. */
const SELF_CHECK_EACH = 500

/** One sandbox that is used: it writes to its disk, and leaves a process behind. */
async function useOne(driver: SandboxDriver, index: number): Promise<void> {
  const signal = AbortSignal.timeout(60_000)
  await using sandbox = await driver.prepare(specOf(index), signal)
  if (index % SELF_CHECK_EACH === 0)
    assert.deepEqual(
      (await sandbox.selfCheck(signal)).filter(({ holds }) => !holds),
      [],
    )
  const step = await sandbox.startStep({
    id: '1',
    argv: ['/bin/sh', '-c', 'sleep 600 </dev/null >/dev/null 2>&1 & echo used > /tmp/file; cat /tmp/file'],
    env: {},
    workingDirectory: '/tmp',
    files: [],
    collect: [],
    collectBytesMax: 0,
    network: null,
  })
  let output = ''
  for await (const chunk of step.output as AsyncIterable<Buffer>) output += chunk.toString()
  const exit = await step.exit
  assert.deepEqual({ index, output, kind: exit.kind, code: exit.code }, { index, output: 'used\n', kind: 'exited', code: 0 })
}

interface Sample {
  readonly done: number
  readonly rssBytes: number
  readonly heapBytes: number
  /**
   * Resident memory that is not V8's heap. The heap's own size says nothing about leaks: V8 takes up to some hundred MiB for short-lived
   * objects before it cleans up; what lives in it is `heapBytes`.
   */
  readonly nativeBytes: number
  readonly descriptors: number
}

function sampleNow(done: number): Sample {
  collectGarbage()
  const { rss, heapUsed, heapTotal } = process.memoryUsage()
  return {
    done,
    rssBytes: rss,
    heapBytes: heapUsed,
    nativeBytes: rss - heapTotal,
    descriptors: readdirSync('/proc/self/fd').length,
  }
}

async function useMany(driver: SandboxDriver): Promise<Sample[]> {
  const samples: Sample[] = []
  const sampleEach = Math.max(1, Math.floor(COUNT / 40))
  let started = 0
  let done = 0
  const work = async (): Promise<void> => {
    while (started < COUNT) {
      started += 1
      await useOne(driver, started)
      done += 1
      if (done % sampleEach === 0) samples.push(sampleNow(done))
    }
  }
  await Promise.all(Array.from({ length: AT_A_TIME }, work))
  return samples
}

/** Least squares over what follows the warm-up: bytes a sandbox. */
function slopeOf(samples: readonly Sample[], value: (sample: Sample) => number): number {
  const steady = samples.slice(Math.floor(samples.length / 4))
  const mean = (of: (sample: Sample) => number): number => steady.reduce((sum, sample) => sum + of(sample), 0) / steady.length
  const meanDone = mean(({ done }) => done)
  const meanValue = mean(value)
  const covariance = mean((sample) => (sample.done - meanDone) * (value(sample) - meanValue))
  return covariance / mean(({ done }) => (done - meanDone) ** 2)
}

function cgroupsOf(prefix: string): string[] {
  const roots = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, , type]) => type === 'cgroup' || type === 'cgroup2')
    .map(([, path = '']) => join(path, 'sallyport'))
  return roots.filter(existsSync).flatMap((root) =>
    readdirSync(root)
      .filter((name) => name.includes(prefix))
      .map((name) => join(root, name)),
  )
}

/** A namespace without a process lives on in a mount or in a descriptor. */
function namespaceHolders(): string[] {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => line.includes(' - nsfs '))
  const descriptors = readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)]
    } catch {
      return [] // The descriptor of this very listing.
    }
  })
  return [...mounts, ...descriptors.filter((target) => /^(user|pid|mnt|net|ipc|uts|cgroup|time):\[/.test(target))]
}

function lockedSlots(): string[] {
  return readdirSync(SLOTS)
    .map((name) => join(SLOTS, name))
    .filter((path) => !isSlotFree(path))
}

/** Everything of ours that is still there; an orphan of the last sandbox may be dying. */
async function leftovers(place: Place): Promise<string[]> {
  const look = (): string[] => [
    ...tracesOf(place).filter((line) => !line.startsWith(`process ${process.pid}:`)),
    ...cgroupsOf(PREFIX),
    ...namespaceHolders(),
    ...lockedSlots().map((path) => `id range ${path}`),
  ]
  for (let attempt = 0; attempt < 50 && look().length > 0; attempt++) await sleep(20)
  return look()
}

test(`${COUNT} sandboxes in a row leave no process, mount, cgroup, namespace, loop device, file or id range, and no growth`, async (context) => {
  if (process.getuid?.() !== 0) throw new Error('the soak builds sandboxes, which needs root')
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-soak-'))
  const marker = createMarker()
  writeFileSync(marker.procs, String(process.pid))
  const place: Place = { state: directory, scratch: join(directory, 'scratch'), marker }
  const driver = createDriver('runc', join(directory, 'sandbox'))
  await useOne(driver, 0)
  const before = sampleNow(0)
  const startMs = performance.now()
  const samples = await useMany(driver)
  const minutes = (performance.now() - startMs) / 60_000
  const left = await leftovers(place)
  const after = sampleNow(COUNT)
  const growth = { native: slopeOf(samples, ({ nativeBytes }) => nativeBytes), heap: slopeOf(samples, ({ heapBytes }) => heapBytes) }
  context.diagnostic(`${COUNT} sandboxes, ${Math.round(COUNT / minutes)} a minute, ${AT_A_TIME} at a time`)
  context.diagnostic(
    `resident ${mib(before.rssBytes)} before, ${mib(after.rssBytes)} after; outside of V8's heap ${Math.round(growth.native)} bytes a sandbox`,
  )
  context.diagnostic(`heap ${mib(before.heapBytes)} before, ${mib(after.heapBytes)} after; ${Math.round(growth.heap)} bytes a sandbox`)
  for (const sample of samples.filter((_, index) => index % 5 === 4))
    context.diagnostic(
      `after ${sample.done}: resident ${mib(sample.rssBytes)}, outside of V8's heap ${mib(sample.nativeBytes)}, heap ${mib(sample.heapBytes)}`,
    )
  context.diagnostic(`descriptors ${before.descriptors} before, ${after.descriptors} after`)
  assert.deepEqual(left, [])
  assert.equal(after.descriptors, before.descriptors)
  assert.ok(growth.native * COUNT < GROWTH_BYTES_MAX, `memory outside of V8's heap grows by ${growth.native} bytes a sandbox`)
  assert.ok(after.rssBytes < RESIDENT_BYTES_MAX, `${mib(after.rssBytes)} are resident`)
  assert.ok(growth.heap * COUNT < GROWTH_BYTES_MAX, `the heap grows by ${growth.heap} bytes a sandbox`)
  rmSync(directory, { recursive: true, force: true })
})

function mib(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`
}
