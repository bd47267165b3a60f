// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { argumentsNear, profiles } from './_arbitraries.ts'
import { AUDIT_ARCH_ARM64, AUDIT_ARCH_X64, evaluate, NATIVE, returnValue } from './_evaluate.ts'
import { simulate } from './_simulate.ts'
import { compileSeccomp } from './compile-bpf.ts'
import type { Architecture, SeccompProfile } from './model.ts'
import { JOB_PROFILE } from './profile.ts'
import { SYSCALLS } from './resolve.ts'

const ARCHITECTURES: readonly Architecture[] = ['x64', 'arm64']
const NUMBERS = Array.from({ length: 601 }, (_, number) => number)
const AUDIT_ARCH_I386 = 0x4000_0003
const AUDIT_ARCH_ARM = 0x4000_0028

function assertSame(
  profile: SeccompProfile,
  architecture: Architecture,
  filter: Uint8Array,
  number: number,
  args: readonly bigint[],
): void {
  const { returned } = simulate(filter, { number, auditArchitecture: NATIVE[architecture], args })
  assert.equal(returned, returnValue(evaluate(profile, architecture, number, args)), `${architecture} call ${number}(${args.join(', ')})`)
}

for (const architecture of ARCHITECTURES) {
  describe(`the compiled filter for ${architecture}`, () => {
    const filter = compileSeccomp(JOB_PROFILE, architecture)
    const answer = (name: string, ...args: bigint[]): number =>
      simulate(filter, { number: SYSCALLS[architecture][name] ?? -1, auditArchitecture: NATIVE[architecture], args }).returned

    it('answers each number from 0 to 600 as the profile says, whatever the arguments', () => {
      fc.assert(
        fc.property(argumentsNear(JOB_PROFILE), (args) => {
          for (const number of NUMBERS) assertSame(JOB_PROFILE, architecture, filter, number, args)
        }),
        { numRuns: 40 },
      )
    })

    it('answers calls with conditions as the profile says', () => {
      const numbers = JOB_PROFILE.conditional.flatMap(({ calls }) => calls.flatMap((name) => SYSCALLS[architecture][name] ?? []))
      fc.assert(
        fc.property(fc.constantFrom(...numbers), argumentsNear(JOB_PROFILE), (number, args) => {
          assertSame(JOB_PROFILE, architecture, filter, number, args)
        }),
        { numRuns: 5000 },
      )
    })

    it('answers any 32-bit number as the profile says', () => {
      const edges = [0x3fff_ffff, 0x4000_0000, 0x4000_0208, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff]
      for (const number of edges) assertSame(JOB_PROFILE, architecture, filter, number, [])
      fc.assert(fc.property(fc.nat(0xffff_ffff), (number) => assertSame(JOB_PROFILE, architecture, filter, number, [])))
    })

    it('kills a call of another architecture before it looks at its number', () => {
      for (const auditArchitecture of [AUDIT_ARCH_X64, AUDIT_ARCH_ARM64, AUDIT_ARCH_I386, AUDIT_ARCH_ARM, 0]) {
        if (auditArchitecture === NATIVE[architecture]) continue
        for (const number of NUMBERS) assert.equal(simulate(filter, { number, auditArchitecture, args: [] }).returned, returnValue('kill'))
      }
    })

    it('reads no argument of a call that is always allowed, so that the kernel can remember the answer', () => {
      for (const name of JOB_PROFILE.allow.flatMap(({ calls }) => calls)) {
        const number = SYSCALLS[architecture][name]
        if (number === undefined) continue
        assert.equal(simulate(filter, { number, auditArchitecture: NATIVE[architecture], args: [] }).readsArguments, false, name)
      }
    })

    it('is short', () => {
      const steps = NUMBERS.map((number) => simulate(filter, { number, auditArchitecture: NATIVE[architecture], args: [] }).steps)
      assert.ok(filter.length / 8 <= 256, `${filter.length / 8} instructions`)
      assert.ok(Math.max(...steps) <= 24, `${Math.max(...steps)} steps`)
    })

    it('cannot be passed by bits that the kernel does not look at', () => {
      const unused = 0xdead_beef_0000_0000n
      assert.equal(answer('clone', 0x1000_0011n), returnValue('EPERM'))
      assert.equal(answer('clone', 0x1000_0011n | unused), returnValue('EPERM'))
      assert.equal(answer('clone', 0x003d_0f00n | unused), returnValue('allow'))
      assert.equal(answer('ioctl', 0n, 0x5412n | unused), returnValue('EPERM'))
      assert.equal(answer('ioctl', 0n, 0x541cn), returnValue('EPERM'))
      assert.equal(answer('ioctl', 0n, 0x5413n), returnValue('allow'))
      assert.equal(answer('socket', 17n | unused, 3n, 0x300n), returnValue('EAFNOSUPPORT'))
      assert.equal(answer('personality', 0xffff_ffffn), returnValue('allow'))
      assert.equal(answer('personality', 0x40_0000n), returnValue('EPERM'))
    })

    it('allows the sockets that builds use and refuses the others in the words of a kernel without them', () => {
      const flags = 0x8_0800n
      for (const [domain, type, protocol, verdict] of [
        [1n, 1n | flags, 0n, 'allow'],
        [1n, 5n, 0n, 'allow'],
        [1n, 3n, 0n, 'EPERM'],
        [2n, 1n | flags, 6n, 'allow'],
        [10n, 2n, 17n, 'allow'],
        [2n, 3n, 1n, 'EPERM'],
        [2n, 3n | flags, 1n, 'EPERM'],
        [2n, 2n, 1n, 'EPROTONOSUPPORT'],
        [2n, 1n, 262n, 'EPROTONOSUPPORT'],
        [16n, 3n | flags, 0n, 'allow'],
        [16n, 2n, 0n, 'allow'],
        [16n, 3n, 12n, 'EPROTONOSUPPORT'],
        [40n, 1n, 0n, 'EAFNOSUPPORT'],
        [38n, 5n, 0n, 'EAFNOSUPPORT'],
        [17n, 3n, 0n, 'EAFNOSUPPORT'],
      ] as const) {
        assert.equal(answer('socket', domain, type, protocol), returnValue(verdict), `socket(${domain}, ${type}, ${protocol})`)
      }
      assert.equal(answer('socketpair', 1n, 1n | flags, 0n), returnValue('allow'))
      assert.equal(answer('socketpair', 2n, 1n, 0n), returnValue('EAFNOSUPPORT'))
    })

    it('lets mknod make everything but device nodes', () => {
      for (const [type, verdict] of [
        [0o000644n, 'allow'],
        [0o100644n, 'allow'],
        [0o010644n, 'allow'],
        [0o140644n, 'allow'],
        [0o020644n, 'EPERM'],
        [0o060644n, 'EPERM'],
      ] as const) {
        assert.equal(answer('mknodat', 0n, 0n, type), returnValue(verdict))
        if (architecture === 'x64') assert.equal(answer('mknod', 0n, type), returnValue(verdict))
      }
    })
  })
}

describe('the compiler', () => {
  it('compares all 64 bits of arguments under any mask', () => {
    const names = ['read', 'mount', 'kill']
    const cases = profiles(names).chain((profile) =>
      fc.tuple(fc.constant(profile), fc.array(argumentsNear(profile), { minLength: 20, maxLength: 20 })),
    )
    fc.assert(
      fc.property(cases, ([profile, samples]) => {
        const filter = compileSeccomp(profile, 'x64')
        for (const args of samples) for (const name of names) assertSame(profile, 'x64', filter, SYSCALLS.x64[name] ?? -1, args)
      }),
      { numRuns: 300 },
    )
  })

  it('reaches across more instructions than a conditional jump has bits for', () => {
    const names = Object.keys(SYSCALLS.x64)
    const profile = manySwitches(names, 3)
    const filter = compileSeccomp(profile, 'x64')
    assert.ok(filter.length / 8 > 1000, `${filter.length / 8} instructions`)
    for (const number of NUMBERS)
      for (let value = -1n; value < 6n; value++) assertSame(profile, 'x64', filter, number, [value & 0xffff_ffffn])
  })

  it('reaches across one decision that is longer than that', () => {
    const profile = manySwitches(['ioctl'], 600)
    const filter = compileSeccomp(profile, 'x64')
    for (let value = -1n; value < 605n; value++) assertSame(profile, 'x64', filter, 16, [value & 0xffff_ffffn])
  })

  it('refuses to make more instructions than the kernel takes', () => {
    assert.throws(() => compileSeccomp(manySwitches(Object.keys(SYSCALLS.x64), 12), 'x64'), RangeError)
  })

  it('refuses a profile that it cannot mean', () => {
    const profile = (conditional: SeccompProfile['conditional'], allow: readonly string[] = []): SeccompProfile => ({
      allow: [{ calls: allow, why: '' }],
      conditional,
      refuse: [],
    })
    const nested = { argument: 0, mask: 1n, cases: [{ values: [1n], then: 'allow' }], otherwise: 'EPERM' } as const
    const group = { calls: ['ioctl'], why: '', refused: '' }
    for (const [wrong, message] of [
      [profile([], ['raed']), /Unknown system call "raed"/],
      [profile([], ['read', 'read']), /stands in the profile twice/],
      [profile([{ ...group, decision: { ...nested, cases: [] } }]), /has no value/],
      [profile([{ ...group, decision: { ...nested, cases: [{ values: [2n], then: 'allow' }] } }]), /outside its mask/],
      [profile([{ ...group, decision: { ...nested, cases: [{ values: [1n, 1n], then: 'allow' }] } }]), /a value twice/],
      [profile([{ ...group, decision: { ...nested, otherwise: nested } }]), /looked at twice/],
      [profile([{ ...group, decision: { ...nested, mask: (1n << 64n) + 1n } }]), /more than 64 bits/],
    ] as const) {
      assert.throws(() => compileSeccomp(wrong, 'x64'), { name: 'TypeError', message })
    }
  })
})

/** Each call with a switch of its own over so many values. */
function manySwitches(names: readonly string[], values: number): SeccompProfile {
  const verdicts = ['allow', 'EPERM', 'EAFNOSUPPORT'] as const
  const cases = Array.from({ length: values }, (_, index) => ({ values: [BigInt(index)], then: verdicts[index % 3] ?? 'allow' }))
  const conditional = names.map((name) => ({
    calls: [name],
    why: '',
    refused: '',
    decision: { argument: 0, mask: 0xffff_ffffn, cases, otherwise: 'ENOSYS' } as const,
  }))
  return { allow: [], conditional, refuse: [] }
}
