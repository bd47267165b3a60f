// SPDX-License-Identifier: Apache-2.0
import { formatSize } from '@sallyport/core'
import type { StepExit } from '@sallyport/sandbox'
import type { JobLimits } from '../contract.ts'

/** A limit that a step ran into, as its user is told of it. */
export interface LimitHit {
  /** The name of `--limit`, or the place that is full. */
  readonly limit: string
  /** What the kernel did, and how much there is. */
  readonly detail: string
  /** False for a limit that only slows. */
  readonly ends: boolean
}

type Told = Omit<LimitHit, 'ends'>

const TEXTS: Readonly<Record<NonNullable<StepExit['limitHit']>, (limits: JobLimits) => Told>> = {
  memory: ({ memoryBytes }) => ({ limit: 'memory', detail: `the kernel ended a process of the job (memory=${formatSize(memoryBytes)})` }),
  pids: ({ pids }) => ({ limit: 'pids', detail: `the kernel refused new processes of the job (pids=${pids})` }),
  disk: ({ diskBytes }) => ({ limit: 'disk', detail: `the disk of the job is full (disk=${formatSize(diskBytes)})` }),
  inodes: ({ diskInodes }) => ({ limit: 'inodes', detail: `the disk of the job can hold no more files (inodes=${diskInodes})` }),
  files: ({ openFiles }) => ({ limit: 'files', detail: `a process of the job has as many open files as it may (files=${openFiles})` }),
  shm: () => ({ limit: '/dev/shm', detail: 'it is full (1 GiB, which count as memory)' }),
  run: () => ({ limit: '/run', detail: 'it is full (64 MiB, which count as memory)' }),
}

/** Before these many periods a build has only begun; below this share the limit cost it little. */
const PERIODS_MIN = 10
const SHARE_MIN = 0.25

/** First what ended or failed the step, then what only held it back. */
export function limitsHit({ limitHit, throttling }: StepExit, limits: JobLimits): readonly LimitHit[] {
  const { periods, throttled } = throttling
  const isHeldBack = throttled >= PERIODS_MIN && throttled >= periods * SHARE_MIN
  const detail = `the kernel held the job back in ${throttled} of ${periods} periods of 0.1 s (cpu=${limits.cpu})`
  return [
    ...(limitHit === null ? [] : [{ ...TEXTS[limitHit](limits), ends: true }]),
    ...(isHeldBack ? [{ limit: 'cpu', detail, ends: false }] : []),
  ]
}
