// SPDX-License-Identifier: Apache-2.0
import { type Architecture, type ArgumentSwitch, type Decision, ERRNO, type SeccompProfile, type Verdict } from './model.ts'
import { resolveProfile } from './resolve.ts'

/** `(argument & value) == valueTwo`, in the runtime specification's words. */
export interface OciSeccompArgument {
  readonly index: number
  readonly value: number
  readonly valueTwo: number
  readonly op: 'SCMP_CMP_MASKED_EQ'
}

export interface OciSeccompRule {
  readonly names: readonly string[]
  readonly action: 'SCMP_ACT_ALLOW' | 'SCMP_ACT_ERRNO'
  readonly errnoRet?: number
  /** All of them hold. */
  readonly args?: readonly OciSeccompArgument[]
}

/** `linux.seccomp` of an OCI runtime configuration. */
export interface OciSeccomp {
  readonly defaultAction: 'SCMP_ACT_ERRNO'
  readonly defaultErrnoRet: number
  readonly architectures: readonly string[]
  readonly syscalls: readonly OciSeccompRule[]
}

const OCI_ARCHITECTURE: Readonly<Record<Architecture, string>> = { x64: 'SCMP_ARCH_X86_64', arm64: 'SCMP_ARCH_AARCH64' }

/** Enough for the namespace flags of clone and the types of files and sockets. */
const EXACT_BITS_MAX = 8

/**
 * The profile for runc and crun, never weaker than {@link compileSeccomp}. It differs in that a call that the machine's libseccomp does not
 * know, and arguments that are refused under a wide mask, get ENOSYS, and that a foreign architecture kills the thread, not the process.
 */
export function toOciSeccomp(profile: SeccompProfile, architecture: Architecture): OciSeccomp {
  const decisions = [...resolveProfile(profile, architecture)]
  const plain = (['allow', ...errnoNames()] as const).flatMap((verdict) => {
    const names = decisions.filter(([, decision]) => decision === verdict).map(([name]) => name)
    return names.length === 0 ? [] : rule(names, verdict, [])
  })
  const conditional = decisions.flatMap(([name, decision]) => (typeof decision === 'string' ? [] : rulesOf(name, decision, [])))
  return {
    defaultAction: 'SCMP_ACT_ERRNO',
    defaultErrnoRet: ERRNO.ENOSYS,
    architectures: [OCI_ARCHITECTURE[architecture]],
    syscalls: [...plain, ...conditional],
  }
}

function errnoNames(): readonly (keyof typeof ERRNO)[] {
  return Object.keys(ERRNO) as (keyof typeof ERRNO)[]
}

/** No rule for the default: libseccomp refuses one that says what happens anyway. */
function rule(names: readonly string[], verdict: Verdict, args: readonly OciSeccompArgument[]): readonly OciSeccompRule[] {
  if (verdict === 'ENOSYS') return []
  const conditions = args.length === 0 ? {} : { args }
  if (verdict === 'allow') return [{ names, action: 'SCMP_ACT_ALLOW', ...conditions }]
  return [{ names, action: 'SCMP_ACT_ERRNO', errnoRet: ERRNO[verdict], ...conditions }]
}

/**
 * One rule per path through the switch. The rules exclude each other: libseccomp promises no order between rules of one call, and takes
 * several conditions on one argument as alternatives.
 */
function rulesOf(name: string, decision: Decision, above: readonly OciSeccompArgument[]): readonly OciSeccompRule[] {
  if (typeof decision === 'string') return rule([name], decision, above)
  const taken = decision.cases.flatMap(({ values, then }) =>
    values.flatMap((value) => rulesOf(name, then, [...above, condition(decision, { mask: decision.mask, value })])),
  )
  if (isLeftToDefault(decision)) return taken
  const others = noneOf(
    decision.mask,
    decision.cases.flatMap((each) => each.values),
  )
  return [...taken, ...others.flatMap((each) => rulesOf(name, decision.otherwise, [...above, condition(decision, each)]))]
}

/**
 * "None of these values" takes about a rule for each bit of the mask. For a refusal under a wide one libseccomp would need 27 ms instead
 * of 4 for the whole profile, only to answer with another error.
 */
function isLeftToDefault({ mask, otherwise }: ArgumentSwitch): boolean {
  return typeof otherwise === 'string' && otherwise !== 'allow' && bitCount(mask) > EXACT_BITS_MAX
}

interface Bits {
  readonly mask: bigint
  readonly value: bigint
}

function condition({ argument }: ArgumentSwitch, { mask, value }: Bits): OciSeccompArgument {
  // A JSON number is exact up to 2^53 only.
  if (mask > BigInt(Number.MAX_SAFE_INTEGER)) throw new RangeError(`The mask 0x${mask.toString(16)} does not fit into a JSON number`)
  return { index: argument, value: Number(mask), valueTwo: Number(value), op: 'SCMP_CMP_MASKED_EQ' }
}

/**
 * Everything under `mask` but `values`, as patterns that exclude each other: one for each bit at which a number can leave the tree that the
 * values span, the highest bit first.
 */
function noneOf(mask: bigint, values: readonly bigint[], prefix: Bits = { mask: 0n, value: 0n }): readonly Bits[] {
  if (values.length === 0) return [prefix]
  const bit = highestBit(mask & ~prefix.mask)
  if (bit === 0n) return []
  return [0n, bit].flatMap((side) =>
    noneOf(
      mask,
      values.filter((value) => (value & bit) === side),
      { mask: prefix.mask | bit, value: prefix.value | side },
    ),
  )
}

function highestBit(mask: bigint): bigint {
  return mask === 0n ? 0n : 1n << BigInt(mask.toString(2).length - 1)
}

function bitCount(mask: bigint): number {
  return mask.toString(2).replaceAll('0', '').length
}
