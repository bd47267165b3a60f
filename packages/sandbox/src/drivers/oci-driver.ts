// SPDX-License-Identifier: Apache-2.0
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { messageOf } from '@sallyport/core'
import type { Sandbox, SandboxCapabilities, SandboxDriver, SandboxSpec } from '../contract.ts'
import { SANDBOX_PATHS } from '../contract.ts'
import { prepareDiskTemplate } from '../disk-template.spawn.ts'
import { type HostImage, prepareHostImage } from '../host-image.ts'
import { findHelper } from '../native/helper-path.ts'
import { Keeper } from '../native/keeper.spawn.ts'
import { buildBundle } from '../oci/bundle.ts'
import { STEP_CAPABILITY_MASK } from '../oci/capabilities.ts'
import { SandboxError } from '../sandbox-error.ts'
import { type Architecture, compileSeccomp, JOB_PROFILE, toOciSeccomp } from '../seccomp/index.ts'
import { EnteredSandbox } from './entered-sandbox.ts'
import { assertCanEnforce, inspectHost } from './host-support.ts'
import { findProgram, readVersion } from './oci-runtime.spawn.ts'
import { ALL_WALLS, type WallTransform } from './walls.ts'

/** How one OCI runtime differs from another, for us. */
export interface OciRuntime {
  readonly name: 'runc' | 'crun'
  /** Why it cannot work on a host like this, before anything is tried; null when nothing is known. */
  readonly knownObstacle: (host: { readonly hybridCgroups: boolean }, version: string) => string | null
  readonly package: string
}

/** Sandboxes whose PID 1 an OCI runtime creates and whose steps enter from outside: runc and crun. */
export class OciDriver implements SandboxDriver {
  readonly name: string
  readonly #runtime: OciRuntime
  readonly #directory: string
  readonly #walls: WallTransform

  /**
   * `directory` is Sallyport's own, on a disk. `walls` is the identity but in the escape suite, which removes one wall at a time to
   * show that its test then fails; see packages/testkit.
   */
  constructor(runtime: OciRuntime, directory: string, walls: WallTransform = ALL_WALLS) {
    this.name = runtime.name
    this.#runtime = runtime
    this.#directory = directory
    this.#walls = walls
  }

  async probe(signal: AbortSignal): Promise<SandboxCapabilities> {
    const path = findProgram(this.#runtime.name)
    if (path === null)
      return this.#unusable(null, `"${this.#runtime.name}" is not installed`, `Install the package ${this.#runtime.package}`)
    const version = await readVersion(path)
    const obstacle = this.#runtime.knownObstacle(inspectHost(), version)
    if (obstacle !== null) return this.#unusable(version, obstacle, 'Use another runtime, or a host with pure cgroup v2')
    try {
      const sandbox = await this.prepare(PROBE_SPEC, signal)
      await sandbox[Symbol.asyncDispose]()
    } catch (error) {
      return this.#unusable(version, messageOf(error), error instanceof SandboxError ? (error.hint ?? null) : null)
    }
    return { driver: this.name, version, usable: true, reason: null, hint: null }
  }

  #unusable(version: string | null, reason: string, hint: string | null): SandboxCapabilities {
    return { driver: this.name, version, usable: false, reason, hint }
  }

  async prepare(spec: SandboxSpec, signal: AbortSignal): Promise<Sandbox> {
    assertCanEnforce()
    const runtime = findProgram(this.#runtime.name)
    if (runtime === null) {
      throw new SandboxError('SANDBOX_UNSUPPORTED', `Cannot build a sandbox: the OCI runtime "${this.#runtime.name}" is not installed`, {
        hint: `Install the package ${this.#runtime.package}`,
      })
    }
    const helper = this.#walls.helper(findHelper())
    // First of all: while the keeper makes the job's disk, everything else is worked out.
    const keeper = new Keeper(helper, { template: await this.#disk(spec), spool: this.#spool })
    const abandon = (): void => void keeper.dispose()
    signal.addEventListener('abort', abandon, { once: true })
    try {
      return await this.#build(spec, { helper, keeper, runtime })
    } catch (error) {
      await keeper.dispose()
      signal.throwIfAborted()
      throw error
    } finally {
      signal.removeEventListener('abort', abandon)
    }
  }

  async #build(spec: SandboxSpec, parts: { helper: string; keeper: Keeper; runtime: string }): Promise<Sandbox> {
    const { keeper } = parts
    const [slot, image] = await Promise.all([keeper.claim(), this.#image()])
    const arch = process.arch as Architecture
    const id = `slot${slot.number}-${spec.id}`
    const bundle = this.#walls.bundle(
      buildBundle({ spec, idBase: slot.idBase, cgroupPath: `/sallyport/${id}`, seccomp: toOciSeccomp(JOB_PROFILE, arch) }),
    )
    const init = await keeper.create({
      id,
      runtime: parts.runtime,
      readOnly: spec.rootfs === 'read-only',
      layers: image.layers,
      directories: WRITABLE,
      subdirectories: spec.directories.map((target) => ({ target, mode: 0o755 })),
      config: Buffer.from(JSON.stringify(bundle)),
    })
    await keeper.start()
    return new EnteredSandbox({
      id: spec.id,
      spec,
      helper: parts.helper,
      keeper,
      init,
      idBase: slot.idBase,
      imageDescription: image.description,
      walls: this.#walls.step({ seccomp: compileSeccomp(JOB_PROFILE, arch), capabilities: STEP_CAPABILITY_MASK, privateFiles: true }),
    })
  }

  get #spool(): string {
    return join(this.#directory, 'spool')
  }

  #image(): Promise<HostImage> {
    return prepareHostImage(join(this.#directory, 'images'))
  }

  async #disk(spec: SandboxSpec): Promise<string> {
    await mkdir(this.#spool, { recursive: true, mode: 0o700 })
    return prepareDiskTemplate(join(this.#directory, 'disks'), spec.limits.diskBytes, spec.limits.diskInodes)
  }
}

/** The smallest real sandbox, for {@link OciDriver.probe}. */
const PROBE_SPEC: SandboxSpec = {
  id: 'probe',
  image: { kind: 'host' },
  rootfs: 'disposable',
  limits: { cpu: 1, memoryBytes: 64 << 20, memorySwapBytes: 64 << 20, pids: 16, diskBytes: 64 << 20, diskInodes: 4096, openFiles: 256 },
  nodeBinary: null,
  readOnlyBinds: [],
  directories: [],
  hostname: 'probe',
}

/** Where jobs write most. */
const WRITABLE = [
  { target: SANDBOX_PATHS.home, mode: 0o755 },
  { target: SANDBOX_PATHS.toolCache, mode: 0o755 },
  { target: '/tmp', mode: 0o1777 },
  { target: '/var/tmp', mode: 0o1777 },
] as const
