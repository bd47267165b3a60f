// SPDX-License-Identifier: Apache-2.0
export type { EffectiveLimits } from './cgroup.ts'
export type * from './contract.ts'
export { FIRST_DESCRIPTOR, GUARANTEES, SANDBOX_PATHS } from './contract.ts'
export { assertCanEnforce, type CgroupLayout, inspectHost } from './drivers/host-support.ts'
export { createDriver, DRIVER_NAMES, type DriverName, ociDriver } from './drivers/registry.ts'
export type { StepWalls, WallTransform } from './drivers/walls.ts'
export { SandboxError, type SandboxErrorCode } from './sandbox-error.ts'
