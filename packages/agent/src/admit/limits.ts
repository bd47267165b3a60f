// SPDX-License-Identifier: Apache-2.0
import { availableParallelism, totalmem } from 'node:os'
import type { JobLimits } from '../contract.ts'

const GiB = 2 ** 30

/** Ceilings, and why: a limit above them is a typing error or a way to hurt the host. */
export const LIMITS_MAX = {
  pids: 100_000,
  diskBytes: 4096 * GiB,
  diskInodes: 100_000_000,
  openFiles: 1_048_576,
  timeMs: 7 * 24 * 3600e3,
  outputBytes: 64 * GiB,
} as const

/**
 * What a job gets unless it is asked for otherwise. Memory: a quarter of the host is left to the host; pids: a parallel build of a big project stays
 * under 1,000; output: GitHub's own log limit order; time: GitHub's 6 hours.
 */
export function defaultLimits(): JobLimits {
  const memoryBytes = Math.min(16 * GiB, Math.floor((totalmem() * 3) / 4 / 2 ** 20) * 2 ** 20)
  return {
    cpu: availableParallelism(),
    memoryBytes,
    memorySwapBytes: memoryBytes,
    pids: 2048,
    diskBytes: 10 * GiB,
    diskInodes: 1_000_000,
    openFiles: 16_384,
    timeMs: 6 * 3600e3,
    outputBytes: 1 * GiB,
  }
}

/** The user's limits over the defaults. Swap is never given unless asked for by name: secrets would reach a disk. */
export function effectiveLimits(asked: Partial<JobLimits>): JobLimits {
  const limits = { ...defaultLimits(), ...asked }
  return { ...limits, memorySwapBytes: asked.memorySwapBytes ?? limits.memoryBytes, openFiles: Math.min(limits.openFiles, LIMITS_MAX.openFiles) }
}
