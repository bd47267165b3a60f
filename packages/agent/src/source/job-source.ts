// SPDX-License-Identifier: Apache-2.0
import { messageOf, printable } from '@sallyport/core'
import type { Sandbox, SourceChange } from '@sallyport/sandbox'
import { AgentError } from '../agent-error.ts'
import type { RecordedSourceChange } from '../contract.ts'

export interface JobSourceParts {
  /** The job's key. */
  readonly job: string
  /** Somebody asked for it. */
  readonly isReadOnly: boolean
  /** Where the source lies. */
  readonly root: string
  readonly changes: SourceRecord
  readonly report: (type: string, data: Readonly<Record<string, unknown>>, step: string) => void
}

/** In a notice; the record has more. */
const TOLD_MAX = 5
const TEXT_MAX = 200

/**
 * The source of one job, where it is to stay as it is: what checkouts bring becomes read-only before the first step after them, and after each step it is told what was
 * changed, and by whom. It decides nothing, but lets nothing go on without the watch.
 */
export class JobSource {
  readonly #parts: JobSourceParts
  #state: 'none' | 'brought' | 'read-only' = 'none'

  constructor(parts: JobSourceParts) {
    this.#parts = parts
  }

  /** Before anything of the job. @throws SandboxError SANDBOX_UNSUPPORTED. */
  async prepared(sandbox: Sandbox): Promise<void> {
    if (this.#parts.isReadOnly) await sandbox.probeSource()
  }

  /** Nothing of the job writes into it meanwhile. @throws AgentError REPOSITORY_UNREADABLE where it is read-only already. */
  async bringing(sandbox: Sandbox): Promise<void> {
    if (!this.#parts.isReadOnly) return
    if (this.#state === 'read-only')
      throw new AgentError(
        'REPOSITORY_UNREADABLE',
        'Cannot check out again: the source is read-only, and a step has run since the first checkout',
        {
          hint: 'Put all checkouts before the first other step, or leave source: read-only out',
        },
      )
    await sandbox.endLeftovers()
    this.#state = 'brought'
  }

  /** Before each step. @throws SandboxError SANDBOX_UNSUPPORTED: the step must not start, nor any other. */
  async beforeStep(sandbox: Sandbox, step: string): Promise<void> {
    if (this.#state !== 'brought') return
    const { report, root } = this.#parts
    report('source.read-only', { root, ...(await sandbox.freezeSource(root)) }, step)
    this.#state = 'read-only'
  }

  /**
   * After each step. `end`: ends what the step left running, whose processes are looked at before, and whose open files are closed by then. Why the step has failed, or null.
   */
  async afterStep(sandbox: Sandbox, step: string, end: () => Promise<void> = () => Promise.resolve()): Promise<string | null> {
    if (this.#state !== 'read-only') {
      await end()
      return null
    }
    const { report } = this.#parts
    try {
      const before = await sandbox.takeSourceChanges()
      await end()
      const after = await sandbox.takeSourceChanges()
      this.#tell(
        [...before.changes, ...after.changes],
        { overflows: before.overflows + after.overflows, more: before.more + after.more },
        step,
      )
      return null
    } catch (error) {
      report('source.lost', { message: messageOf(error) }, step)
      await end()
      return `nobody knows whether the source was changed: ${messageOf(error)}`
    }
  }

  #tell(changes: readonly SourceChange[], lost: { readonly overflows: number; readonly more: number }, step: string): void {
    const { report, job, changes: record } = this.#parts
    for (const { step: of, ...change } of changes) {
      report('source.changed', { ...change }, of ?? step)
      record.add({ ...change, job, step: of ?? step })
    }
    const unknown = lost.overflows + lost.more
    if (unknown > 0) report('source.lost', lost, step)
    if (changes.length + unknown > 0) report('run.notice', { message: describe(changes, unknown), file: null, line: null }, step)
  }
}

/** What a run's document tells of them. */
export class SourceRecord {
  readonly #changes: RecordedSourceChange[] = []

  get changes(): readonly RecordedSourceChange[] {
    return this.#changes
  }

  add(change: RecordedSourceChange): void {
    if (this.#changes.length < CHANGES_MAX) this.#changes.push(change)
  }
}

const CHANGES_MAX = 256

function describe(changes: readonly SourceChange[], unknown: number): string {
  const told = changes.slice(0, TOLD_MAX).map((change) => `${shown(change.path)} (${change.kinds.join(', ')}) by ${whoOf(change)}`)
  const more = changes.length - told.length + unknown
  return `The source was changed: ${[...told, ...(more > 0 ? [`${more} more`] : [])].join('; ')}`
}

function whoOf({ processes, witness }: SourceChange): string {
  if (witness === 'layers') return 'an unknown process'
  const [process, parent] = processes
  const name = (one: typeof process): string => shown(one?.command || one?.program || '')
  const own = name(process) || 'a process that has ended'
  return process?.command || name(parent) === '' ? own : `${own} of ${name(parent)}`
}

function shown(text: string): string {
  return printable(text).slice(0, TEXT_MAX)
}
