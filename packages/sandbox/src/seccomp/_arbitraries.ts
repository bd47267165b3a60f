// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check'
import type { ArgumentSwitch, Decision, SeccompProfile } from './model.ts'

/** Arguments near what the profile compares with, since random 64-bit numbers would hardly ever meet a value. */
export function argumentsNear(profile: SeccompProfile): fc.Arbitrary<bigint[]> {
  const values = profile.conditional.flatMap(({ decision }) => valuesOf(decision))
  const noise = fc.constantFrom(0n, 0n, 0n, 1n << 32n, 1n << 31n, 1n << 63n, 0xffff_ffff_0000_0000n, 0x800n, 0x8_0000n, 1n)
  const near = fc.tuple(fc.constantFrom(0n, ...values), noise).map(([value, bits]) => value ^ bits)
  return fc.array(fc.oneof({ weight: 4, arbitrary: near }, fc.bigInt(0n, (1n << 64n) - 1n)), { minLength: 6, maxLength: 6 })
}

function valuesOf(decision: Decision): readonly bigint[] {
  if (typeof decision === 'string') return []
  return [...decision.cases.flatMap(({ values, then }) => [...values, ...valuesOf(then)]), ...valuesOf(decision.otherwise)]
}

const verdict = fc.constantFrom<Decision>('allow', 'EPERM', 'ENOSYS', 'EAFNOSUPPORT')

function switchOn(
  argument: ArgumentSwitch['argument'],
  next: fc.Arbitrary<Decision>,
  masks: fc.Arbitrary<bigint>,
): fc.Arbitrary<ArgumentSwitch> {
  return masks.chain((mask) =>
    fc.record({
      argument: fc.constant(argument),
      mask: fc.constant(mask),
      cases: fc
        .uniqueArray(
          fc.bigInt(0n, (1n << 64n) - 1n).map((value) => value & mask),
          { minLength: 1, maxLength: 5 },
        )
        .chain((values) => fc.tuple(...values.map((value) => next.map((then) => ({ values: [value], then }))))),
      otherwise: next,
    }),
  )
}

const WIDE = fc.oneof(
  fc.constant(0xffff_ffff_ffff_ffffn),
  fc.bigInt(1n, (1n << 64n) - 1n),
  fc.bigInt(0n, 15n).map((bits) => bits << 40n),
)
export const NARROW: fc.Arbitrary<bigint> = fc.oneof(fc.constant(0xffff_ffffn), fc.bigInt(1n, 0xffff_ffffn), fc.constant(0n))

/** Profiles over a few names with switches up to two deep. */
export function profiles(names: readonly string[], masks: fc.Arbitrary<bigint> = fc.oneof(WIDE, NARROW)): fc.Arbitrary<SeccompProfile> {
  const decision = switchOn(2, fc.oneof(verdict, switchOn(5, verdict, masks)), masks)
  return fc.tuple(...names.map(() => decision)).map((decisions) => ({
    allow: [],
    conditional: decisions.map((each, index) => ({ calls: [names[index] ?? ''], decision: each, why: '', refused: '' })),
    refuse: [],
  }))
}
