// SPDX-License-Identifier: Apache-2.0
import { JOB_NETWORK } from '@sallyport/core'
import { cgroupPaths, findJobCgroup, setLimits } from '../cgroup.ts'
import { SANDBOX_PATHS, type Sandbox, type SandboxSpec } from '../contract.ts'
import { prepareImageLayers } from '../image-layers.ts'
import type { Keeper } from '../native/keeper.spawn.ts'
import { WardenPool } from '../native/warden-pool.spawn.ts'
import { buildBundle } from '../oci/bundle.ts'
import { STEP_CAPABILITY_MASK } from '../oci/capabilities.ts'
import { toSentryBundle } from '../oci/sentry-bundle.ts'
import { imageNeedsRoot } from '../rootless/needs-root.ts'
import type { RootlessSupport } from '../rootless/support.ts'
import { type Architecture, compileSeccomp, JOB_PROFILE, OWN_KERNEL_PROFILE, toOciSeccomp } from '../seccomp/index.ts'
import { removeStalePartials } from '../stale-partials.ts'
import { EnteredSandbox } from './entered-sandbox.ts'
import { inspectHost } from './host-support.ts'
import { insideCommand } from './runsc.ts'
import { SentrySandbox } from './sentry-sandbox.ts'
import type { WallTransform } from './walls.ts'

export interface BuildParts {
  readonly spec: SandboxSpec
  /** Path of the static helper. */
  readonly helper: string
  /** Just started. */
  readonly keeper: Keeper
  /** Absolute path of the OCI runtime. */
  readonly runtime: string
  /** See `OciRuntime.sentryFlags`; null where the kernel is the host's. */
  readonly sentryFlags: readonly string[] | null
  readonly walls: WallTransform
  /** Where the host image's skeleton, and what lies over other images, is kept. */
  readonly imageDirectory: string
  /** Where the templates of disks are kept. */
  readonly diskDirectory: string
  /** Null for root. */
  readonly rootless: RootlessSupport | null
  /** See `SandboxDriver.prepare`. */
  readonly onWaiting: () => void
}

/** From a keeper that has begun with the gate and the disk to a sandbox whose PID 1 runs. The caller disposes the keeper when this throws. */
export async function buildSandbox(parts: BuildParts): Promise<Sandbox> {
  const { spec, keeper, walls, rootless } = parts
  if (rootless !== null && spec.image.kind === 'tree') throw imageNeedsRoot(spec.image.description)
  const [slot, image] = await Promise.all([
    keeper.claim(),
    prepareImageLayers(spec.image, {
      directory: parts.imageDirectory,
      resolver: spec.gate === null ? null : JOB_NETWORK.gateAddress,
    }),
    // Without root a disk is memory, and has no template.
    rootless === null ? removeStalePartials(parts.diskDirectory) : null,
  ])
  const arch = process.arch as Architecture
  const id = `slot${slot.number}-${spec.id}`
  const shared = buildBundle({
    spec,
    idBase: slot.idBase,
    ...(rootless !== null && { idCount: rootless.outer.ids, limits: false }),
    cgroupPath: cgroupPath(rootless, id),
    seccomp: toOciSeccomp(JOB_PROFILE, arch),
    hasSudo: image.hasSudo && spec.rootfs !== 'read-only',
  })
  const bundle = walls.bundle(parts.sentryFlags === null ? shared : toSentryBundle(shared, spec.limits))
  const setup = {
    id,
    runtime: parts.runtime,
    sentryFlags: parts.sentryFlags,
    readOnly: spec.rootfs === 'read-only',
    layers: image.layers,
    directories: WRITABLE,
    subdirectories: spec.directories.map((target) => ({ target, mode: 0o755 })),
    processes: rootless === null ? 0 : spec.limits.pids,
    config: Buffer.from(JSON.stringify(bundle)),
  }
  const created = keeper.create(setup, spec.gate?.reach ?? null)
  // Compiled while the runtime works.
  const step = walls.step({
    seccomp: compileSeccomp(parts.sentryFlags === null ? JOB_PROFILE : OWN_KERNEL_PROFILE, arch),
    capabilities: STEP_CAPABILITY_MASK,
  })
  const wardens = new WardenPool(parts.helper, insideOf(parts, id))
  // Inside, there is nobody to start them before the sandbox has begun.
  if (parts.sentryFlags === null) wardens.prepare(FIRST_WARDENS)
  parts.onWaiting()
  try {
    const [init] = await Promise.all([
      created,
      keeper.awaitGate(spec.gate?.ready ?? Promise.resolve(), spec.gate?.reach ?? Promise.resolve()),
    ])
    // Nothing of the job runs yet.
    if (rootless?.cgroup != null) setLimits(findJobCgroup(cgroupPaths(init), id), spec.limits)
    await keeper.start()
    const Built = parts.sentryFlags === null ? EnteredSandbox : SentrySandbox
    return new Built({
      id: spec.id,
      spec,
      wardens,
      keeper,
      init,
      idBase: slot.idBase,
      rootless,
      cgroup: id,
      imageDescription: image.description,
      walls: step,
    })
  } catch (error) {
    wardens.close()
    throw error
  }
}

/** Without root the job's cgroup, if any, is the keeper's making: the runtime is told of it where that is its whole cgroup file system, and finds none in version 1's. */
function cgroupPath(rootless: RootlessSupport | null, id: string): string | null {
  if (rootless === null) return `/sallyport/${id}`
  return rootless.cgroup === null || inspectHost().hybridCgroups ? null : `${rootless.cgroup.path}/sallyport/${id}`
}

function insideOf({ sentryFlags, keeper, runtime }: BuildParts, id: string): readonly string[] | null {
  if (sentryFlags === null) return null
  return insideCommand({ keeper: keeper.pid, runtime, flags: sentryFlags, id, helper: SANDBOX_PATHS.helper })
}

/** The self-check takes two at once; those of later steps are started while it runs. */
const FIRST_WARDENS = 2

/** Where jobs write most. */
const WRITABLE = [
  { target: SANDBOX_PATHS.home, mode: 0o755 },
  { target: SANDBOX_PATHS.toolCache, mode: 0o755 },
  { target: '/tmp', mode: 0o1777 },
  { target: '/var/tmp', mode: 0o1777 },
] as const
