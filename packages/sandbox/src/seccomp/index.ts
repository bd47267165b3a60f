// SPDX-License-Identifier: Apache-2.0

export { compileSeccomp } from './compile-bpf.ts'
export { GATE_PROFILE } from './gate-profile.ts'
export type { Architecture } from './model.ts'
export { OWN_KERNEL_PROFILE } from './own-kernel-profile.ts'
export { JOB_PROFILE } from './profile.ts'
export { type OciSeccomp, toOciSeccomp } from './to-oci.ts'
