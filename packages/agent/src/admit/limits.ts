// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs'
import { availableParallelism, totalmem } from 'node:os'
import { readOuterNamespace } from '@sallyport/linux'
import type { Limits } from '@sallyport/sandbox'
import type { JobLimits } from '../contract.ts'

const GiB = 2 ** 30

/** Without root a disk is memory (packages/sandbox/src/rootless): no more of it than a job needs that nobody set a limit for. */
const MEMORY_DISK_BYTES = 2 * GiB
const MEMORY_DISK_SHARE = 4

/** The kernel's own default ceiling (fs.nr_open). */
const OPEN_FILES_MAX = 1_048_576

/**
 * What a job gets unless it is asked for otherwise. Memory: a quarter of the host is left to the host; pids: a parallel build of a big project stays
 * under 1,000; output: GitHub's own log limit order; time: GitHub's 6 hours.
 */
function defaultLimits(): JobLimits {
  const memoryBytes = Math.min(16 * GiB, Math.floor((totalmem() * 3) / 4 / 2 ** 20) * 2 ** 20)
  return {
    cpu: availableParallelism(),
    memoryBytes,
    memorySwapBytes: memoryBytes,
    pids: 2048,
    diskBytes:
      readOuterNamespace() === null
        ? 10 * GiB
        : Math.min(MEMORY_DISK_BYTES, Math.floor(totalmem() / MEMORY_DISK_SHARE / 2 ** 20) * 2 ** 20),
    diskInodes: 1_000_000,
    openFiles: 16_384,
    timeMs: 6 * 3600e3,
    outputBytes: 1 * GiB,
  }
}

/** The ratio of the defaults: 10 GiB, a million inodes. */
const BYTES_PER_INODE = 10_240

/** Those of the sandbox that somebody has set: kept, or the job is refused. The others are what a job gets anyway, where this host can keep them. */
export function askedFor(...given: readonly Partial<JobLimits>[]): readonly (keyof Limits)[] {
  return SANDBOX_LIMITS.filter((name) => given.some((limits) => limits[name] !== undefined))
}

const SANDBOX_LIMITS = ['cpu', 'memoryBytes', 'memorySwapBytes', 'pids', 'diskBytes', 'diskInodes', 'openFiles'] as const

/**
 * The user's limits over the defaults, and never more than `most`. Swap is never given unless asked for by name: secrets would reach a disk.
 */
export function effectiveLimits(asked: Partial<JobLimits>, most: Partial<JobLimits> = {}): JobLimits {
  const limits = atMost(askedLimits(asked), most)
  // Swap is not the way around a limit of memory.
  return { ...limits, memorySwapBytes: Math.min(limits.memorySwapBytes, most.memoryBytes ?? limits.memorySwapBytes) }
}

function atMost(limits: JobLimits, most: Partial<JobLimits>): JobLimits {
  const names = Object.keys(limits) as (keyof JobLimits)[]
  return Object.fromEntries(names.map((name) => [name, Math.min(limits[name], most[name] ?? limits[name])])) as unknown as JobLimits
}

function askedLimits(asked: Partial<JobLimits>): JobLimits {
  const limits = { ...defaultLimits(), ...asked }
  return {
    ...limits,
    // A small disk has no room for a million of them.
    diskInodes: asked.diskInodes ?? Math.min(limits.diskInodes, Math.floor(limits.diskBytes / BYTES_PER_INODE)),
    memorySwapBytes: asked.memorySwapBytes ?? limits.memoryBytes,
    openFiles: Math.min(limits.openFiles, OPEN_FILES_MAX, inheritedOpenFiles()),
  }
}

/** A limit cannot be raised above the supervisor's own without CAP_SYS_RESOURCE; less than asked for is never a weaker wall. */
function inheritedOpenFiles(): number {
  const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
  return hard === undefined || hard === 'unlimited' ? OPEN_FILES_MAX : Number(hard)
}
