// SPDX-License-Identifier: Apache-2.0

export type Architecture = 'x64' | 'arm64'

/** Errors that a refused call may be answered with; the numbers are the same on both architectures. */
export const ERRNO = { EPERM: 1, ENOSYS: 38, EPROTONOSUPPORT: 93, EAFNOSUPPORT: 97 } as const
export type ErrnoName = keyof typeof ERRNO

export type Verdict = 'allow' | ErrnoName

/**
 * Looks at one argument: `argument & mask` is compared with the values of each case, all 64 bits of it.
 *
 * The mask must be the width that the kernel itself reads (an `int` is 32 bits): a filter that compares more bits than the kernel uses is
 * passed by setting one of the others. On each path from the root to a verdict an argument is looked at once, because an OCI rule cannot
 * say more.
 */
export interface ArgumentSwitch {
  readonly argument: 0 | 1 | 2 | 3 | 4 | 5
  readonly mask: bigint
  readonly cases: readonly { readonly values: readonly bigint[]; readonly then: Decision }[]
  readonly otherwise: Decision
}

export type Decision = Verdict | ArgumentSwitch

/** Of a list that is written as one text. */
export function names(list: string): readonly string[] {
  return list.trim().split(/\s+/)
}

/** System calls by name. A name that one architecture lacks is left out there. */
export interface CallGroup {
  readonly calls: readonly string[]
  readonly why: string
}

export interface ConditionalGroup extends CallGroup {
  readonly decision: ArgumentSwitch
  /** What of these calls is refused, in words, for the documents. */
  readonly refused: string
}

export interface RefusedGroup extends CallGroup {
  readonly errno: ErrnoName
}

/** A call that stands in no group, and a number without a name, is answered with ENOSYS, so that a C library falls back to what it knows. */
export interface SeccompProfile {
  readonly allow: readonly CallGroup[]
  readonly conditional: readonly ConditionalGroup[]
  readonly refuse: readonly RefusedGroup[]
}
