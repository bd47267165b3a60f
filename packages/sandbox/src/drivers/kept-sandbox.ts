// SPDX-License-Identifier: Apache-2.0
import { stepSource } from '@sallyport/core'
import {
  type CountedLimit,
  type FileEntry,
  type LimitCounts,
  type PutEntry,
  SANDBOX_PATHS,
  type SandboxSpec,
  type StepSpec,
} from '../contract.ts'
import type { EnterRequest } from '../native/enter.ts'
import { FilePump, type ReadEach } from '../native/file-pump.ts'
import type { Keeper } from '../native/keeper.spawn.ts'
import type { WardenPool } from '../native/warden-pool.spawn.ts'
import { SandboxError } from '../sandbox-error.ts'
import type { StartedHelper } from '../self-check.ts'
import type { StepWalls } from './walls.ts'

export interface KeptSandboxParts {
  readonly id: string
  readonly spec: SandboxSpec
  readonly wardens: WardenPool
  readonly keeper: Keeper
  /** Host pid of PID 1, or of the kernel that the sandbox has for itself. */
  readonly init: number
  readonly idBase: number
  /** Its name in the hierarchies. */
  readonly cgroup: string
  readonly imageDescription: string
  readonly walls: StepWalls
}

/** For one listing, reading or writing of files; a repository of 10 GiB takes about two minutes. */
export const PUMP_TIME_MAX_MS: number = 15 * 60e3

/** Of the step's private tmpfs: the script, the environment files, and what the step puts there. */
const PRIVATE_DIRECTORY_BYTES = 192 << 20

/** No step's: the gate knows nothing of it, so it has to refuse whatever comes from there. */
export const CANARY_SOURCE: string = stepSource(65_279)

/** What every sandbox has, however its steps are started: a keeper that ends with it, wardens, and files that go in and out. */
export abstract class KeptSandbox implements AsyncDisposable {
  readonly id: string
  readonly lost: Promise<string>
  readonly imageDescription: string
  readonly #keeper: Keeper
  readonly #wardens: WardenPool
  protected readonly pump: FilePump = new FilePump((argv) => this.startHelper(argv))
  #disposed: Promise<void> | null = null

  constructor({ id, keeper, wardens, imageDescription }: KeptSandboxParts) {
    this.id = id
    this.lost = keeper.lost
    this.imageDescription = imageDescription
    this.#keeper = keeper
    this.#wardens = wardens
  }

  /** Runs a mode of our own helper inside, at the job's uid, with a socket for its stdin. It has no network. */
  protected abstract startHelper(argv: readonly string[]): StartedHelper

  putFiles(root: string, files: AsyncIterable<PutEntry> | Iterable<PutEntry>): Promise<{ files: number; bytes: number }> {
    return this.pump.putFiles(root, files)
  }

  listFiles(root: string, entriesMax: number): Promise<readonly FileEntry[]> {
    return this.pump.listFiles(root, entriesMax)
  }

  readFiles(root: string, paths: readonly string[], each: ReadEach): Promise<void> {
    return this.pump.readFiles(root, paths, each)
  }

  async disposeInBackground(): Promise<void> {
    void this.#dispose()
    await this.#keeper.disposeInBackground()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#dispose()
  }

  protected assertNotDisposed(): void {
    if (this.#disposed !== null) throw new SandboxError('SANDBOX_LOST', `Cannot start a step in sandbox "${this.id}": it is disposed`)
  }

  #dispose(): Promise<void> {
    this.#wardens.close()
    this.#disposed ??= this.#keeper.dispose()
    return this.#disposed
  }
}

/** A step that is a mode of our own helper. */
export function helperStep(argv: readonly string[], files: StepSpec['files'], network: StepSpec['network']): StepSpec {
  const own = { id: 'pump', argv: [SANDBOX_PATHS.helper, ...argv], env: {}, workingDirectory: '/' }
  return { ...own, files, collect: [], collectBytesMax: 0, network }
}

type OfStep =
  | 'argv'
  | 'env'
  | 'workingDirectory'
  | 'files'
  | 'collect'
  | 'collectBytesMax'
  | 'capabilities'
  | 'seccomp'
  | 'openFiles'
  | 'privateDirectory'

/** What a warden is told of a step, wherever it enters. */
export function stepRequest(step: StepSpec, { spec, walls }: Pick<KeptSandboxParts, 'spec' | 'walls'>): Pick<EnterRequest, OfStep> {
  const { argv, env, workingDirectory, files, collect, collectBytesMax } = step
  return {
    argv,
    env,
    workingDirectory,
    files,
    collect,
    collectBytesMax,
    capabilities: walls.capabilities,
    seccomp: walls.seccomp,
    openFiles: spec.limits.openFiles,
    privateDirectory: { path: SANDBOX_PATHS.step, bytes: PRIVATE_DIRECTORY_BYTES },
  }
}

const NONE: LimitCounts = { oomKills: 0, pidsRefused: 0 }

/** `own`: of the step's cgroup, if it has one. Kernels differ in whether they count at the cgroup that has the limit or at the one that ran into it. */
export function limitHitIn(before: LimitCounts, after: LimitCounts, own: LimitCounts = NONE): CountedLimit | null {
  if (own.oomKills > 0 || after.oomKills > before.oomKills) return 'memory'
  return own.pidsRefused > 0 || after.pidsRefused > before.pidsRefused ? 'pids' : null
}
