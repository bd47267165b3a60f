// SPDX-License-Identifier: Apache-2.0
import { readdirSync, readlinkSync } from 'node:fs'
import type { StepGroup } from '../cgroup.ts'
import type { LimitCounts } from '../contract.ts'

/** In place of an id: every packet of the job is the step's. ANY_CGROUP of native/src/keeper-network.h. */
const ANY_CGROUP = 2n ** 64n - 1n

/** What steps and our own helpers have in common where there are no cgroups. */
abstract class Ungrouped implements StepGroup {
  readonly name = ''
  readonly procsFiles: readonly string[] = []
  readonly init: number

  /** `init`: host pid of PID 1, which keeps its id until the keeper ends. */
  constructor(init: number) {
    this.init = init
  }

  identify(): { readonly cgroup: bigint; readonly level: number } {
    return { cgroup: ANY_CGROUP, level: 0 }
  }

  abstract members(): readonly number[]
  abstract kill(): void | Promise<void>
  abstract begun(pid: number): void

  isEmpty(): boolean {
    return this.members().length === 0
  }

  remove(): boolean {
    return true
  }

  limitCounts(): LimitCounts {
    return { oomKills: 0, pidsRefused: 0 }
  }
}

/**
 * A step where there are no cgroups. What holds its processes together is the sandbox: one step runs at a time, and with it ends whatever runs there
 * but PID 1. `sweep` does that (native/src/keeper-sweep.c).
 */
export class UngroupedStep extends Ungrouped {
  readonly #sweep: () => Promise<void>
  #isKilled = false

  /** `sweep` never rejects. */
  constructor(init: number, sweep: () => Promise<void>) {
    super(init)
    this.#sweep = sweep
  }

  /** Those of the sandbox's pid namespace, without its PID 1. */
  members(): readonly number[] {
    const own = namespaceOf(this.init)
    const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && name !== String(this.init))
    return own === null ? [] : pids.map(Number).filter((pid) => namespaceOf(pid) === own)
  }

  kill(): Promise<void> {
    this.#isKilled = true
    return this.#sweep()
  }

  /** All processes are meant, whoever began them; only one that was on its way was not there yet. */
  begun(): void {
    if (this.#isKilled) void this.#sweep()
  }
}

/** Our own helper in a sandbox without cgroups, which starts nothing: one process. */
export class UngroupedHelper extends Ungrouped {
  #pid: number | null = null
  #isKilled = false

  members(): readonly number[] {
    return this.#pid !== null && namespaceOf(this.#pid) === namespaceOf(this.init) ? [this.#pid] : []
  }

  /** An id that has become another's is one of this sandbox, or is none of ours. */
  kill(): void {
    this.#isKilled = true
    for (const pid of this.members()) killNow(pid)
  }

  begun(pid: number): void {
    this.#pid = pid
    if (this.#isKilled) this.kill()
  }
}

function killNow(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    // It has ended meanwhile.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

function namespaceOf(pid: number): string | null {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`)
  } catch {
    // It has ended, or is a process that is none of ours to look at: no process of a sandbox is.
    return null
  }
}
