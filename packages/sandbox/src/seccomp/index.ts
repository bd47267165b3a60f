// SPDX-License-Identifier: Apache-2.0
export { compileSeccomp } from './compile-bpf.ts'
export type {
  Architecture,
  ArgumentSwitch,
  CallGroup,
  ConditionalGroup,
  Decision,
  ErrnoName,
  RefusedGroup,
  SeccompProfile,
  Verdict,
} from './model.ts'
export { ERRNO } from './model.ts'
export { JOB_PROFILE } from './profile.ts'
export type { Refusal } from './refusals.ts'
export { refusals } from './refusals.ts'
export { SYSCALLS } from './resolve.ts'
export type { OciSeccomp, OciSeccompArgument, OciSeccompRule } from './to-oci.ts'
export { toOciSeccomp } from './to-oci.ts'
