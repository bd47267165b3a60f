// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { argumentsNear, NARROW, profiles } from './_arbitraries.ts'
import { evaluate } from './_evaluate.ts'
import { type Architecture, ERRNO, type SeccompProfile, type Verdict } from './model.ts'
import { JOB_PROFILE } from './profile.ts'
import { SYSCALLS } from './resolve.ts'
import { type OciSeccomp, type OciSeccompRule, toOciSeccomp } from './to-oci.ts'

const ARCHITECTURES: readonly Architecture[] = ['x64', 'arm64']

function matches({ args = [] }: OciSeccompRule, values: readonly bigint[]): boolean {
  return args.every(({ index, value, valueTwo }) => ((values[index] ?? 0n) & BigInt(value)) === BigInt(valueTwo))
}

/** What a runtime does with the rules, which must not depend on their order. */
function apply(oci: OciSeccomp, name: string, args: readonly bigint[]): number {
  const found = oci.syscalls.filter((rule) => rule.names.includes(name) && matches(rule, args))
  assert.ok(found.length <= 1, `${name}(${args.join(', ')}) matches ${found.length} rules`)
  const [rule] = found
  if (rule === undefined) return oci.defaultErrnoRet
  return rule.action === 'SCMP_ACT_ALLOW' ? 0 : (rule.errnoRet ?? -1)
}

function errnoOf(verdict: Verdict | 'kill'): number {
  return verdict === 'allow' || verdict === 'kill' ? 0 : ERRNO[verdict]
}

/** The OCI rules allow what the profile allows, and where they refuse with another error it is the default. */
function assertAsStrict(profile: SeccompProfile, architecture: Architecture, oci: OciSeccomp, name: string, args: readonly bigint[]): void {
  const wanted = errnoOf(evaluate(profile, architecture, SYSCALLS[architecture][name] ?? -1, args))
  const got = apply(oci, name, args)
  assert.ok(got === wanted || (wanted !== 0 && got === ERRNO.ENOSYS), `${name}(${args.join(', ')}): ${got} instead of ${wanted}`)
}

for (const architecture of ARCHITECTURES) {
  describe(`the OCI rendition for ${architecture}`, () => {
    const oci = toOciSeccomp(JOB_PROFILE, architecture)

    it('refuses by default with ENOSYS and names only the native architecture', () => {
      assert.equal(oci.defaultAction, 'SCMP_ACT_ERRNO')
      assert.equal(oci.defaultErrnoRet, 38)
      assert.deepEqual(oci.architectures, [architecture === 'x64' ? 'SCMP_ARCH_X86_64' : 'SCMP_ARCH_AARCH64'])
    })

    it('allows exactly what the profile allows', () => {
      fc.assert(
        fc.property(argumentsNear(JOB_PROFILE), (args) => {
          for (const name of Object.keys(SYSCALLS[architecture])) assertAsStrict(JOB_PROFILE, architecture, oci, name, args)
        }),
        { numRuns: 300 },
      )
    })

    it('refuses known calls with EPERM', () => {
      for (const name of ['mount', 'ptrace', 'bpf', 'unshare', 'keyctl']) assert.equal(apply(oci, name, []), ERRNO.EPERM)
      assert.equal(apply(oci, 'clone', [0x1000_0011n]), ERRNO.EPERM)
      assert.equal(apply(oci, 'clone3', []), ERRNO.ENOSYS)
    })

    it('has no rule that says what happens by default, which libseccomp refuses', () => {
      assert.deepEqual(
        oci.syscalls.filter(({ action, errnoRet }) => action === 'SCMP_ACT_ERRNO' && errnoRet === oci.defaultErrnoRet),
        [],
      )
    })

    it('looks at an argument once a rule, since several conditions on one are alternatives', () => {
      for (const { names, args = [] } of oci.syscalls) assert.equal(new Set(args.map(({ index }) => index)).size, args.length, names.join())
    })
  })
}

describe('the translation to OCI rules', () => {
  it('is never weaker than the profile', () => {
    const cases = profiles(['read', 'mount'], NARROW).chain((profile) =>
      fc.tuple(fc.constant(profile), fc.array(argumentsNear(profile), { maxLength: 20 })),
    )
    fc.assert(
      fc.property(cases, ([profile, samples]) => {
        const oci = toOciSeccomp(profile, 'x64')
        for (const args of samples) for (const name of ['read', 'mount']) assertAsStrict(profile, 'x64', oci, name, args)
      }),
      { numRuns: 200 },
    )
  })

  it('refuses a mask that JSON cannot hold', () => {
    const decision = { argument: 0, mask: 1n << 60n, cases: [{ values: [0n], then: 'allow' }], otherwise: 'EPERM' } as const
    const profile = { allow: [], conditional: [{ calls: ['read'], why: '', refused: '', decision }], refuse: [] }
    assert.throws(() => toOciSeccomp(profile, 'x64'), RangeError)
  })
})
