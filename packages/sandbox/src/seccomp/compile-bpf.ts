// SPDX-License-Identifier: Apache-2.0
import { BpfAssembler, type Label } from './bpf-assembler.ts'
import { type Architecture, type ArgumentSwitch, type Decision, ERRNO, type SeccompProfile } from './model.ts'
import { resolveProfile, SYSCALLS } from './resolve.ts'

const SECCOMP_RET_ALLOW = 0x7fff_0000
const SECCOMP_RET_ERRNO = 0x0005_0000
const SECCOMP_RET_KILL_PROCESS = 0x8000_0000

/** AUDIT_ARCH_X86_64 and AUDIT_ARCH_AARCH64: 32-bit calls of the same process come with another value. */
const AUDIT_ARCH: Readonly<Record<Architecture, number>> = { x64: 0xc000_003e, arm64: 0xc000_00b7 }

/** x32 calls come as x86-64 with this bit set, past a filter that only knows the plain numbers. */
const X32_BIT = 0x4000_0000
/** syscall(-1): what a tracer leaves behind when it skips a call. No x32 call, although the bit is set. */
const NO_CALL = 0xffff_ffff

/** Offsets in `struct seccomp_data`. */
const OFFSET_NUMBER = 0
const OFFSET_ARCHITECTURE = 4
const OFFSET_ARGUMENTS = 16

/** Call numbers from `from` to the next range's `from`, all decided alike. */
interface NumberRange {
  readonly from: number
  readonly decision: Decision | 'kill'
}

/**
 * The profile as a filter for seccomp(2). Calls that are allowed whatever their arguments depend on nothing but number and architecture,
 * so that the kernel (from 5.11) remembers them in a bitmap and does not run the filter for them.
 */
export function compileSeccomp(profile: SeccompProfile, architecture: Architecture): Uint8Array {
  const assembler = new BpfAssembler()
  const foreign = assembler.return(SECCOMP_RET_KILL_PROCESS)
  assembler.runInto(writeSearch(assembler, numberRanges(profile, architecture)))
  const native = assembler.load(OFFSET_NUMBER)
  assembler.ifEqual(AUDIT_ARCH[architecture], native, foreign)
  assembler.load(OFFSET_ARCHITECTURE)
  return assembler.assemble()
}

function numberRanges(profile: SeccompProfile, architecture: Architecture): readonly NumberRange[] {
  const decisions = resolveProfile(profile, architecture)
  const byNumber = new Map([...decisions].map(([name, decision]) => [SYSCALLS[architecture][name], decision]))
  const end = Math.max(...Object.values(SYSCALLS[architecture])) + 1
  const ranges: NumberRange[] = []
  for (let from = 0; from <= end; from++) {
    const decision = byNumber.get(from) ?? 'ENOSYS'
    if (ranges.at(-1)?.decision !== decision) ranges.push({ from, decision })
  }
  if (architecture === 'x64') ranges.push({ from: X32_BIT, decision: 'kill' }, { from: NO_CALL, decision: 'ENOSYS' })
  return ranges
}

/** A binary search of the loaded call number. */
function writeSearch(assembler: BpfAssembler, ranges: readonly NumberRange[]): Label {
  const middle = ranges[ranges.length >> 1]
  if (middle === undefined) throw new RangeError('Cannot search an empty list of ranges')
  if (ranges.length === 1) return writeDecision(assembler, middle.decision)
  const upper = writeSearch(assembler, ranges.slice(ranges.length >> 1))
  const lower = writeSearch(assembler, ranges.slice(0, ranges.length >> 1))
  return assembler.ifAtLeast(middle.from, upper, lower)
}

function writeDecision(assembler: BpfAssembler, decision: Decision | 'kill'): Label {
  if (decision === 'kill') return assembler.return(SECCOMP_RET_KILL_PROCESS)
  if (decision === 'allow') return assembler.return(SECCOMP_RET_ALLOW)
  if (typeof decision === 'string') return assembler.return(SECCOMP_RET_ERRNO | ERRNO[decision])
  return writeSwitch(assembler, decision)
}

function writeSwitch(assembler: BpfAssembler, node: ArgumentSwitch): Label {
  const otherwise = writeDecision(assembler, node.otherwise)
  const cases = node.cases.flatMap(({ values, then }) => {
    const label = writeDecision(assembler, then)
    return values.map((value) => ({ value, then: label }))
  })
  return node.mask <= 0xffff_ffffn ? writeNarrow(assembler, node, cases, otherwise) : writeWide(assembler, node, cases, otherwise)
}

interface WrittenCase {
  readonly value: bigint
  readonly then: Label
}

/** Only the low word counts: it is loaded once and compared with each value. */
function writeNarrow(assembler: BpfAssembler, { argument, mask }: ArgumentSwitch, cases: readonly WrittenCase[], otherwise: Label): Label {
  const first = cases.reduceRight((next, { value, then }) => assembler.ifEqual(Number(value), then, next), otherwise)
  assembler.runInto(first)
  return loadMasked(assembler, lowWord(argument), Number(mask))
}

function writeWide(assembler: BpfAssembler, { argument, mask }: ArgumentSwitch, cases: readonly WrittenCase[], otherwise: Label): Label {
  return cases.reduceRight((next, { value, then }) => {
    assembler.runInto(assembler.ifEqual(low(value), then, next))
    const highMatches = loadMasked(assembler, lowWord(argument), low(mask))
    assembler.ifEqual(high(value), highMatches, next)
    return loadMasked(assembler, lowWord(argument) + 4, high(mask))
  }, otherwise)
}

function loadMasked(assembler: BpfAssembler, offset: number, mask: number): Label {
  if (mask !== 0xffff_ffff) assembler.and(mask)
  return assembler.load(offset)
}

function lowWord(argument: number): number {
  return OFFSET_ARGUMENTS + argument * 8
}

function low(value: bigint): number {
  return Number(value & 0xffff_ffffn)
}

function high(value: bigint): number {
  return Number(value >> 32n)
}
