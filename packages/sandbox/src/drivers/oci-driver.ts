// SPDX-License-Identifier: Apache-2.0
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { messageOf } from '@sallyport/core'
import type { GateLaunch, Sandbox, SandboxBeginning, SandboxCapabilities, SandboxDriver, SandboxSpec, SandboxTraits } from '../contract.ts'
import { findDiskTemplate, prepareDiskTemplate } from '../disk-template.spawn.ts'
import { findHelper } from '../native/helper-path.ts'
import { Keeper, type KeeperGate } from '../native/keeper.spawn.ts'
import { gvisorNeedsRoot } from '../rootless/needs-root.ts'
import { inspectRootless } from '../rootless/support.ts'
import { assertLimitsKept } from '../rootless/weaknesses.ts'
import { SandboxError } from '../sandbox-error.ts'
import { type Architecture, compileSeccomp, GATE_PROFILE } from '../seccomp/index.ts'
import { type BuildParts, buildSandbox } from './build-sandbox.ts'
import { assertCanEnforce, inspectHost } from './host-support.ts'
import { findProgram, readVersion } from './oci-runtime.spawn.ts'
import { OWN_KERNEL, SHARED_KERNEL } from './traits.ts'
import { ALL_WALLS, type WallTransform } from './walls.ts'

/** How one OCI runtime differs from another, for us. */
export interface OciRuntime {
  readonly name: 'runc' | 'crun' | 'runsc'
  /** Why it cannot work on a host like this, before anything is tried; null when nothing is known. */
  readonly knownObstacle: (host: { readonly hybridCgroups: boolean }) => string | null
  readonly package: string
  /** Of a runtime that brings a kernel of its own: what it is told before each verb. Absent where the kernel is the host's. */
  readonly sentryFlags?: (hasGate: boolean) => Promise<readonly string[]>
  /** Where it is, when that is not one of the system's own directories. */
  readonly path?: string
}

const OBSTACLE_HINT = 'Install the package runc, or use a host with pure cgroup v2'

/** Sandboxes whose PID 1 an OCI runtime creates and whose steps enter from outside: runc and crun. */
export class OciDriver implements SandboxDriver {
  readonly name: string
  readonly traits: SandboxTraits
  readonly #runtime: OciRuntime
  readonly #directory: string
  readonly #walls: WallTransform

  /**
   * `directory` is Sallyport's own, on a disk. `walls` is the identity but in the escape suite, which removes one wall at a time to
   * show that its test then fails; see packages/testkit.
   */
  constructor(runtime: OciRuntime, directory: string, walls: WallTransform = ALL_WALLS) {
    this.name = runtime.name
    this.traits = runtime.sentryFlags === undefined ? SHARED_KERNEL : OWN_KERNEL
    this.#runtime = runtime
    this.#directory = directory
    this.#walls = walls
  }

  async obstacle(): Promise<SandboxError | null> {
    try {
      this.#findRuntime()
      return null
    } catch (error) {
      if (error instanceof SandboxError) return error
      throw error
    }
  }

  async probe(signal: AbortSignal): Promise<SandboxCapabilities> {
    const path = this.#path
    if (path === null)
      return this.#unusable(null, `"${this.#runtime.name}" is not installed`, `Install the package ${this.#runtime.package}`)
    const version = await readVersion(path)
    const obstacle = this.#runtime.knownObstacle(inspectHost())
    if (obstacle !== null) return this.#unusable(version, obstacle, OBSTACLE_HINT)
    try {
      const sandbox = await this.prepare(PROBE_SPEC, signal)
      await sandbox[Symbol.asyncDispose]()
    } catch (error) {
      return this.#unusable(version, messageOf(error), error instanceof SandboxError ? (error.hint ?? null) : null)
    }
    return { ...this.#unusable(version, null, null), usable: true }
  }

  #unusable(version: string | null, reason: string | null, hint: string | null): SandboxCapabilities {
    return { driver: this.name, version, usable: false, reason, hint, traits: this.traits, platforms: [], tracePoints: null }
  }

  get #path(): string | null {
    return this.#runtime.path ?? findProgram(this.#runtime.name)
  }

  async prepare(spec: SandboxSpec, signal: AbortSignal, onWaiting?: () => void): Promise<Sandbox> {
    return this.begin(spec.gate, signal).build(spec, onWaiting)
  }

  begin(gate: GateLaunch | null, signal: AbortSignal): SandboxBeginning {
    signal.throwIfAborted()
    assertCanEnforce({ gate: gate !== null })
    // Its rejection is heard when the keeper is asked; before that it is nobody's yet.
    gate?.ready.catch(ignoreUntilAwaited)
    const runtime = this.#findRuntime()
    const helper = this.#walls.helper(findHelper())
    // First of all: while the keeper starts the gate and makes the job's disk, everything else is worked out.
    const rootless = inspectRootless()
    if (rootless !== null && this.traits === OWN_KERNEL) throw gvisorNeedsRoot()
    const keeper = new Keeper(helper, keeperGate(gate), rootless)
    if (keeper.gateControl !== null) gate?.attach(keeper.gateControl)
    const abandon = (): void => void keeper.dispose()
    signal.addEventListener('abort', abandon, { once: true })
    let isBuilt = false
    const build = async (spec: SandboxSpec, onWaiting: () => void = () => undefined): Promise<Sandbox> => {
      if (isBuilt || spec.gate !== gate) throw new TypeError('a sandbox is built once, with the gate that it began with')
      isBuilt = true
      try {
        return await this.#build({ spec, helper, keeper, runtime, rootless, onWaiting })
      } catch (error) {
        await keeper.dispose()
        signal.throwIfAborted()
        throw error
      } finally {
        signal.removeEventListener('abort', abandon)
      }
    }
    const dispose = async (): Promise<void> => {
      if (isBuilt) return
      signal.removeEventListener('abort', abandon)
      await keeper.dispose()
    }
    return { build, [Symbol.asyncDispose]: dispose }
  }

  async #build(parts: Pick<BuildParts, 'spec' | 'helper' | 'keeper' | 'runtime' | 'rootless' | 'onWaiting'>): Promise<Sandbox> {
    const { spec, keeper, rootless } = parts
    if (rootless !== null) {
      assertLimitsKept(spec.askedLimits ?? ALL_LIMITS, rootless.cgroup)
      keeper.useMemoryDisk(spec.limits.diskBytes, spec.limits.diskInodes)
    } else keeper.useDisk({ template: this.#findDisk(spec) ?? (await this.#makeDisk(spec)), spool: this.#spool })
    const sentryFlags = (await this.#runtime.sentryFlags?.(spec.gate !== null)) ?? null
    return buildSandbox({
      ...parts,
      sentryFlags,
      walls: this.#walls,
      imageDirectory: join(this.#directory, 'images'),
      diskDirectory: this.#disks,
    })
  }

  /** Absolute path. @throws SandboxError SANDBOX_UNSUPPORTED. */
  #findRuntime(): string {
    const runtime = this.#path
    if (runtime === null) {
      throw new SandboxError('SANDBOX_UNSUPPORTED', `Cannot build a sandbox: the OCI runtime "${this.#runtime.name}" is not installed`, {
        hint: `Install the package ${this.#runtime.package}`,
      })
    }
    const obstacle = this.#runtime.knownObstacle(inspectHost())
    if (obstacle !== null) throw new SandboxError('SANDBOX_UNSUPPORTED', `Cannot build a sandbox: ${obstacle}`, { hint: OBSTACLE_HINT })
    return runtime
  }

  get #spool(): string {
    return join(this.#directory, 'spool')
  }

  get #disks(): string {
    return join(this.#directory, 'disks')
  }

  #findDisk(spec: SandboxSpec): string | null {
    return existsSync(this.#spool) ? findDiskTemplate(this.#disks, spec.limits.diskBytes, spec.limits.diskInodes) : null
  }

  #makeDisk(spec: SandboxSpec): Promise<string> {
    mkdirSync(this.#spool, { recursive: true, mode: 0o700 })
    return prepareDiskTemplate(this.#disks, spec.limits.diskBytes, spec.limits.diskInodes)
  }
}

const ALL_LIMITS = ['cpu', 'memoryBytes', 'memorySwapBytes', 'pids', 'diskBytes', 'diskInodes', 'openFiles'] as const

function keeperGate(gate: GateLaunch | null): KeeperGate | null {
  return gate === null ? null : { ...gate, seccomp: () => compileSeccomp(GATE_PROFILE, process.arch as Architecture) }
}

function ignoreUntilAwaited(): void {
  // See above.
}

/** The smallest real sandbox, for {@link OciDriver.probe}. */
export const PROBE_SPEC: SandboxSpec = {
  id: 'probe',
  image: { kind: 'host' },
  rootfs: 'disposable',
  limits: { cpu: 1, memoryBytes: 64 << 20, memorySwapBytes: 64 << 20, pids: 16, diskBytes: 64 << 20, diskInodes: 4096, openFiles: 256 },
  askedLimits: [],
  nodeBinary: null,
  readOnlyBinds: [],
  directories: [],
  hostname: 'probe',
  gate: null,
}
