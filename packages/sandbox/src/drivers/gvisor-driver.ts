// SPDX-License-Identifier: Apache-2.0
import { messageOf } from '@sallyport/core'
import { readOuterNamespace } from '@sallyport/linux'
import type { GateLaunch, Sandbox, SandboxBeginning, SandboxCapabilities, SandboxDriver, SandboxSpec, SandboxTraits } from '../contract.ts'
import { gvisorNeedsRoot } from '../rootless/needs-root.ts'
import { SandboxError } from '../sandbox-error.ts'
import { OciDriver, PROBE_SPEC } from './oci-driver.ts'
import { findProgram, readVersion } from './oci-runtime.spawn.ts'
import { readPlatform, writePlatform } from './platform-memory.ts'
import { countTracePoints, knowsFlag } from './runsc.spawn.ts'
import { PLATFORMS, type Platform, runscFlags } from './runsc.ts'
import { OWN_KERNEL } from './traits.ts'
import { ALL_WALLS, type WallTransform } from './walls.ts'

/** Of a platform that hangs, `kvm` on a virtual machine among them. Dozens of times what a sandbox needs to start and to run one step. */
const PLATFORM_LIMIT_MS = 15_000

/** Came with mount namespaces inside of the sandbox, in 2023: without those a step's private files would be everybody's. */
const NEEDED_FLAG = 'directfs'
const INSTALL_HINT =
  "Install a runsc of 2023 or newer in /usr/local/bin (https://gvisor.dev/docs/user_guide/install), or name it in the operator's file"

const NOT_INSTALLED = '"runsc" is not installed'

export interface GvisorOptions {
  readonly walls?: WallTransform | undefined
  /** Absolute path; default: where the system's own programs are. */
  readonly runsc?: string | undefined
}

type Tried = SandboxCapabilities['platforms'][number]

/**
 * Sandboxes whose kernel is gVisor's. All that is around it (keeper, id range, disk, layers, gate) is as for the others: see {@link OciDriver}. The platform
 * is the first on which a sandbox really started and ran a step, on this host with this kernel and this runsc.
 */
export class GvisorDriver implements SandboxDriver {
  readonly name = 'gvisor'
  readonly traits: SandboxTraits = OWN_KERNEL
  readonly #directory: string
  readonly #walls: WallTransform
  readonly #path: string | null
  readonly #oci: OciDriver

  constructor(directory: string, options: GvisorOptions = {}) {
    this.#directory = directory
    this.#walls = options.walls ?? ALL_WALLS
    this.#path = options.runsc ?? findProgram('runsc')
    this.#oci = this.#on(async () => this.#platform())
  }

  #on(platform: () => Promise<Platform>): OciDriver {
    const path = this.#path
    const runtime = {
      name: 'runsc',
      package: 'runsc',
      knownObstacle: () => null,
      sentryFlags: async (hasGate: boolean) => runscFlags(await platform(), hasGate),
      ...(path === null ? {} : { path }),
    } as const
    return new OciDriver(runtime, this.#directory, this.#walls)
  }

  async obstacle(): Promise<SandboxError | null> {
    try {
      await this.#platform()
      return null
    } catch (error) {
      return error instanceof SandboxError ? error : unsupported(messageOf(error), error)
    }
  }

  async probe(signal: AbortSignal): Promise<SandboxCapabilities> {
    const nothing = {
      driver: this.name,
      version: null,
      usable: false,
      traits: this.traits,
      platforms: [],
      tracePoints: null,
      hint: INSTALL_HINT,
    }
    if (readOuterNamespace() !== null) {
      const { message, hint = null } = gvisorNeedsRoot()
      return { ...nothing, reason: message, hint }
    }
    if (this.#path === null) return { ...nothing, reason: NOT_INSTALLED }
    const version = await readVersion(this.#path)
    const obstacle = await this.#obstacle()
    if (obstacle !== null) return { ...nothing, version, reason: obstacle }
    const platforms: Tried[] = []
    for (const platform of PLATFORMS) platforms.push(await this.#tryPlatform(platform, signal))
    const works = platforms.some((tried) => tried.works)
    const reason = works ? null : noPlatform(platforms)
    const tracePoints = await countTracePoints(this.#path)
    return { ...nothing, version, usable: works, reason, hint: works ? null : INSTALL_HINT, platforms, tracePoints }
  }

  prepare(spec: SandboxSpec, signal: AbortSignal, onWaiting?: () => void): Promise<Sandbox> {
    return this.#oci.prepare(spec, signal, onWaiting)
  }

  begin(gate: GateLaunch | null, signal: AbortSignal): SandboxBeginning {
    return this.#oci.begin(gate, signal)
  }

  async #obstacle(): Promise<string | null> {
    if (this.#path !== null && (await knowsFlag(this.#path, NEEDED_FLAG))) return null
    return `"${this.#path}" is older than 2023: it has no mount namespaces inside of a sandbox, which the guarantee "step-private-files" needs`
  }

  /** @throws SandboxError SANDBOX_UNSUPPORTED with what each platform met. */
  async #platform(): Promise<Platform> {
    if (readOuterNamespace() !== null) throw gvisorNeedsRoot()
    if (this.#path === null) throw unsupported(NOT_INSTALLED)
    const path = this.#path
    const known = await readPlatform(this.#directory, path)
    if (known !== null) return known
    const obstacle = await this.#obstacle()
    if (obstacle !== null) throw unsupported(obstacle)
    const tried: Tried[] = []
    for (const platform of PLATFORMS) {
      const result = await this.#tryPlatform(platform, new AbortController().signal)
      if (result.works) {
        await writePlatform(this.#directory, path, platform)
        return platform
      }
      tried.push(result)
    }
    throw unsupported(noPlatform(tried))
  }

  /** A whole sandbox, and a step in it that looks at a directory. */
  async #tryPlatform(platform: Platform, signal: AbortSignal): Promise<Tried> {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(PLATFORM_LIMIT_MS)])
    try {
      await using sandbox = await this.#on(async () => platform).prepare(
        { ...PROBE_SPEC, id: `probe-${platform}`, limits: PROBE_LIMITS },
        limit,
      )
      await sandbox.listFiles('/run/sallyport', 16)
      return { name: platform, works: true, reason: null }
    } catch (error) {
      signal.throwIfAborted()
      const reason = limit.aborted ? `nothing had started after ${PLATFORM_LIMIT_MS / 1000} s` : messageOf(error)
      return { name: platform, works: false, reason }
    }
  }
}

const PROBE_LIMITS = { ...PROBE_SPEC.limits, memoryBytes: 512 << 20, memorySwapBytes: 512 << 20, pids: 64 }

function unsupported(reason: string, cause?: unknown): SandboxError {
  return new SandboxError('SANDBOX_UNSUPPORTED', `Cannot build a sandbox: ${reason}`, { hint: INSTALL_HINT, cause })
}

function noPlatform(tried: readonly Tried[]): string {
  return `gVisor starts on no platform: ${tried.map(({ name, reason }) => `${name}: ${reason}`).join('; ')}`
}
