// SPDX-License-Identifier: Apache-2.0
import { type StatsFs, statfsSync, statSync } from 'node:fs'
import type { FoundLimit } from './contract.ts'

/**
 * The kernel counts who ran into a limit of memory or processes, but not who was answered ENOSPC or EMFILE. So somebody has to look while the limit is met.
 * Looked at are mount points of the sandbox, which a job can neither move nor replace (EBUSY), and the kernel's own figures; no path of a job.
 */
export interface LimitView {
  /** The job's root directory, as the host reaches it: `/proc/PID/root` of its PID 1. */
  readonly root: string
  /** RLIMIT_NOFILE of each process. */
  readonly openFiles: number
  /** Host ids of the step's processes. */
  readonly members: () => readonly number[]
  /** Where the kernel tells of processes; another directory in tests. */
  readonly proc?: string
}

/** How often: what is full for less time than this, and is emptied again, may stay unseen. */
const LOOK_MS = 500

/** Of a step's processes; one with more than that many has other limits to meet. */
const MEMBERS_MAX = 64

/** Mounts with a size of their own; all of the job's disk are one file system. */
const MOUNTS: readonly { readonly path: string; readonly full: FoundLimit; readonly noInodes: FoundLimit }[] = [
  { path: 'tmp', full: 'disk', noInodes: 'inodes' },
  { path: 'dev/shm', full: 'shm', noInodes: 'shm' },
  { path: 'run', full: 'run', noInodes: 'run' },
]

/** Watches one step from its start to {@link end}. */
export class StepLimits {
  readonly #view: LimitView
  readonly #found = new Set<FoundLimit>()
  readonly #fullBefore: ReadonlySet<FoundLimit>
  readonly #timer: NodeJS.Timeout

  constructor(view: LimitView) {
    this.#view = view
    this.#fullBefore = new Set(fullMounts(view.root))
    this.#timer = setInterval(() => this.#look(), LOOK_MS)
    this.#timer.unref()
  }

  /**
   * A last look. `hasFailed`: then what was full before the step began counts too, for it is likely why.
   * @returns the first limit that the step was seen at, or null.
   */
  end(hasFailed: boolean): FoundLimit | null {
    clearInterval(this.#timer)
    this.#look()
    return [...this.#found].find((limit) => hasFailed || !this.#fullBefore.has(limit)) ?? null
  }

  #look(): void {
    for (const limit of fullMounts(this.#view.root)) this.#found.add(limit)
    if (!this.#found.has('files') && this.#isOutOfDescriptors()) this.#found.add('files')
  }

  /** Since Linux 6.2 the size of `/proc/PID/fd` is the number of open descriptors; before it is 0, and nothing is found. */
  #isOutOfDescriptors(): boolean {
    const { members, openFiles, proc = '/proc' } = this.#view
    return members()
      .slice(0, MEMBERS_MAX)
      .some((pid) => (answerOr(() => statSync(`${proc}/${pid}/fd`))?.size ?? 0) >= openFiles)
  }
}

function fullMounts(root: string): FoundLimit[] {
  return MOUNTS.flatMap(({ path, full, noInodes }) => {
    const stats = answerOr(() => statfsSync(`${root}/${path}`))
    if (stats === null) return []
    return [...(isFull(stats) ? [full] : []), ...(hasNoInodes(stats) ? [noInodes] : [])]
  })
}

/** Less than a thousandth is left: where writing ends depends on the size of what is written. */
function isFull({ blocks, bavail }: StatsFs): boolean {
  return blocks > 0 && bavail <= Math.ceil(blocks / 1024)
}

/** The kernel's count of free inodes is kept for each processor, and exact only within some of them. */
const INODES_NEAR_NONE = 16

function hasNoInodes({ files, ffree }: StatsFs): boolean {
  return files > 0 && ffree <= Math.min(INODES_NEAR_NONE, Math.floor(files / 64))
}

/** Null while a process or the sandbox goes, and where there is no such mount: what cannot be asked is not known to be full. A timer has nobody to throw to. */
function answerOr<T>(ask: () => T): T | null {
  try {
    return ask()
  } catch (error) {
    if (error instanceof Error && 'code' in error) return null
    throw error
  }
}
