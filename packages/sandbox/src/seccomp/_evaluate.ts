// SPDX-License-Identifier: Apache-2.0
import { type Architecture, type Decision, ERRNO, type SeccompProfile, type Verdict } from './model.ts'
import { SYSCALLS } from './resolve.ts'

export const AUDIT_ARCH_X64 = 0xc000_003e
export const AUDIT_ARCH_ARM64 = 0xc000_00b7
export const NATIVE: Readonly<Record<Architecture, number>> = { x64: AUDIT_ARCH_X64, arm64: AUDIT_ARCH_ARM64 }

/** The profile read literally, one call at a time, without any of the compiler's code. */
export function evaluate(profile: SeccompProfile, architecture: Architecture, number: number, args: readonly bigint[]): Verdict | 'kill' {
  if (architecture === 'x64' && number >= 0x4000_0000 && number !== 0xffff_ffff) return 'kill'
  const name = Object.entries(SYSCALLS[architecture]).find(([, each]) => each === number)?.[0]
  if (name === undefined) return 'ENOSYS'
  if (profile.allow.some(({ calls }) => calls.includes(name))) return 'allow'
  const conditional = profile.conditional.find(({ calls }) => calls.includes(name))
  if (conditional !== undefined) return follow(conditional.decision, args)
  return profile.refuse.find(({ calls }) => calls.includes(name))?.errno ?? 'ENOSYS'
}

function follow(decision: Decision, args: readonly bigint[]): Verdict {
  if (typeof decision === 'string') return decision
  const seen = (args[decision.argument] ?? 0n) & decision.mask
  return follow(decision.cases.find(({ values }) => values.includes(seen))?.then ?? decision.otherwise, args)
}

/** The value that a filter returns for a verdict, from linux/seccomp.h. */
export function returnValue(verdict: Verdict | 'kill'): number {
  if (verdict === 'kill') return 0x8000_0000
  return verdict === 'allow' ? 0x7fff_0000 : 0x0005_0000 + ERRNO[verdict]
}
