// SPDX-License-Identifier: Apache-2.0
import { JOB_NETWORK } from '@sallyport/core'
import { SANDBOX_PATHS, type Sandbox, type SandboxSpec } from '../contract.ts'
import { prepareHostImage } from '../host-image.ts'
import type { Keeper } from '../native/keeper.spawn.ts'
import { WardenPool } from '../native/warden-pool.spawn.ts'
import { buildBundle } from '../oci/bundle.ts'
import { STEP_CAPABILITY_MASK } from '../oci/capabilities.ts'
import { type Architecture, compileSeccomp, JOB_PROFILE, toOciSeccomp } from '../seccomp/index.ts'
import { removeStalePartials } from '../stale-partials.ts'
import { EnteredSandbox } from './entered-sandbox.ts'
import type { WallTransform } from './walls.ts'

export interface BuildParts {
  readonly spec: SandboxSpec
  /** Path of the static helper. */
  readonly helper: string
  /** Just started. */
  readonly keeper: Keeper
  /** Absolute path of the OCI runtime. */
  readonly runtime: string
  readonly walls: WallTransform
  /** Where the host image's skeleton is kept. */
  readonly imageDirectory: string
  /** Where the templates of disks are kept. */
  readonly diskDirectory: string
  /** See `SandboxDriver.prepare`. */
  readonly onWaiting: () => void
}

/** From a keeper that has begun with the gate and the disk to a sandbox whose PID 1 runs. The caller disposes the keeper when this throws. */
export async function buildSandbox(parts: BuildParts): Promise<Sandbox> {
  const { spec, keeper, walls } = parts
  const [slot, image] = await Promise.all([
    keeper.claim(),
    prepareHostImage(parts.imageDirectory, { resolver: spec.gate === null ? null : JOB_NETWORK.gateAddress }),
    removeStalePartials(parts.diskDirectory),
  ])
  const arch = process.arch as Architecture
  const id = `slot${slot.number}-${spec.id}`
  const bundle = walls.bundle(
    buildBundle({ spec, idBase: slot.idBase, cgroupPath: `/sallyport/${id}`, seccomp: toOciSeccomp(JOB_PROFILE, arch) }),
  )
  const setup = {
    id,
    runtime: parts.runtime,
    readOnly: spec.rootfs === 'read-only',
    layers: image.layers,
    directories: WRITABLE,
    subdirectories: spec.directories.map((target) => ({ target, mode: 0o755 })),
    config: Buffer.from(JSON.stringify(bundle)),
  }
  const created = keeper.create(setup, spec.gate?.reach ?? null)
  // Compiled while the runtime works.
  const step = walls.step({ seccomp: compileSeccomp(JOB_PROFILE, arch), capabilities: STEP_CAPABILITY_MASK })
  const wardens = new WardenPool(parts.helper)
  wardens.prepare(FIRST_WARDENS)
  parts.onWaiting()
  try {
    const [init] = await Promise.all([created, keeper.awaitGate(spec.gate?.ready ?? Promise.resolve())])
    await keeper.start()
    return new EnteredSandbox({
      id: spec.id,
      spec,
      wardens,
      keeper,
      init,
      idBase: slot.idBase,
      cgroup: id,
      imageDescription: image.description,
      walls: step,
    })
  } catch (error) {
    wardens.close()
    throw error
  }
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
