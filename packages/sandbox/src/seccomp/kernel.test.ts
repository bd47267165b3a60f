// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { answers, buildProbe, type ProbeCall, probeArguments, runProbe } from './_probe.ts'
import { compileSeccomp } from './compile-bpf.ts'
import { type Architecture, ERRNO, type ErrnoName } from './model.ts'
import { JOB_PROFILE } from './profile.ts'
import { toOciSeccomp } from './to-oci.ts'

const { EPERM, ENOSYS, EAFNOSUPPORT, EPROTONOSUPPORT } = ERRNO
const ARCHITECTURE: Architecture = process.arch === 'arm64' ? 'arm64' : 'x64'
const SIGCHLD = 17n
const CLONE_NEWUTS = 0x0400_0000n
const CLONE_PARENT = 0x8000n
const HIGH_BITS = 0xdead_beef_0000_0000n
const AT_FDCWD = 0xffff_ff9cn

interface Expected {
  readonly call: ProbeCall
  /** 0 means that the kernel did it. */
  readonly answer: number
  /** What the kernel says without a filter, to whoever asks; null where that depends on the machine. */
  readonly unfiltered: number | null
  /** The answer of the OCI rendition where it differs. */
  readonly oci?: ErrnoName
}

const EBADF = 9
const EFAULT = 14
const EINVAL = 22

const EXPECTED: readonly Expected[] = [
  { call: ['getpid'], answer: 0, unfiltered: 0 },
  { call: ['mount', 1, 1, 1, 0, 0], answer: EPERM, unfiltered: EFAULT },
  { call: ['unshare', 0], answer: EPERM, unfiltered: 0 },
  { call: ['setns', 0xffff_ffff, 0], answer: EPERM, unfiltered: EBADF },
  { call: ['process_vm_readv', 1, 1, 1, 1, 1, 1], answer: EPERM, unfiltered: EINVAL },
  { call: ['add_key', 1, 1, 0, 0, 0], answer: EPERM, unfiltered: EFAULT },
  { call: ['clone3', 0, 0], answer: ENOSYS, unfiltered: EINVAL },
  { call: ['clone', SIGCHLD], answer: 0, unfiltered: 0 },
  { call: ['clone', SIGCHLD | CLONE_NEWUTS], answer: EPERM, unfiltered: null },
  { call: ['clone', SIGCHLD | CLONE_NEWUTS | HIGH_BITS], answer: EPERM, unfiltered: null },
  { call: ['clone', SIGCHLD | CLONE_PARENT], answer: EPERM, unfiltered: null },
  { call: ['io_uring_setup', 0, 0], answer: EPERM, unfiltered: null },
  { call: ['ioctl', 0xffff_ffff, 0x5412], answer: EPERM, unfiltered: EBADF },
  { call: ['ioctl', 0xffff_ffff, 0x5412n | HIGH_BITS], answer: EPERM, unfiltered: EBADF },
  { call: ['ioctl', 0xffff_ffff, 0x5413], answer: EBADF, unfiltered: EBADF },
  { call: ['personality', 0xffff_ffff], answer: 0, unfiltered: 0 },
  { call: ['personality', 0x004_0000], answer: EPERM, unfiltered: 0, oci: 'ENOSYS' },
  { call: ['socket', 1, 1, 0], answer: 0, unfiltered: 0 },
  { call: ['socket', 1n | HIGH_BITS, 0x8_0801n, 0], answer: 0, unfiltered: 0 },
  { call: ['socket', 2, 1, 0], answer: 0, unfiltered: 0 },
  { call: ['socket', 10, 2, 17], answer: 0, unfiltered: null },
  { call: ['socket', 16, 3, 0], answer: 0, unfiltered: 0 },
  { call: ['socket', 16, 3, 12], answer: EPROTONOSUPPORT, unfiltered: null, oci: 'ENOSYS' },
  { call: ['socket', 40, 1, 0], answer: EAFNOSUPPORT, unfiltered: null, oci: 'ENOSYS' },
  { call: ['socket', 2, 3, 1], answer: EPERM, unfiltered: null },
  { call: ['socket', 17, 3, 0x300], answer: EAFNOSUPPORT, unfiltered: null, oci: 'ENOSYS' },
  { call: ['socketpair', 1, 1, 0, 0], answer: EFAULT, unfiltered: EFAULT },
  { call: ['prctl', 35, 14, 0, 0, 0], answer: EPERM, unfiltered: null },
  { call: ['prctl', 39, 0, 0, 0, 0], answer: 0, unfiltered: 0 },
  { call: ['seccomp', 1, 8, 0], answer: EPERM, unfiltered: EFAULT },
  { call: ['seccomp', 1, 0, 0], answer: EFAULT, unfiltered: EFAULT },
  { call: ['mknodat', AT_FDCWD, 0, 0o020600, 0], answer: EPERM, unfiltered: null },
  { call: ['mknodat', AT_FDCWD, 0, 0o010600, 0], answer: EFAULT, unfiltered: EFAULT },
  { call: [600], answer: ENOSYS, unfiltered: ENOSYS },
  { call: [-1], answer: ENOSYS, unfiltered: ENOSYS },
]

const ARGUMENTS = probeArguments(
  ARCHITECTURE,
  EXPECTED.map(({ call }) => call),
)

function assertAnswers(actual: readonly number[], expected: readonly (number | null)[]): void {
  assert.equal(actual.length, expected.length)
  for (const [index, each] of expected.entries()) {
    if (each !== null) assert.equal(actual[index], each, `${EXPECTED[index]?.call.join(' ')}`)
  }
}

describe('the filter in the running kernel', () => {
  const probe = buildProbe()
  after(() => probe[Symbol.dispose]())
  const filter = compileSeccomp(JOB_PROFILE, ARCHITECTURE)

  it('answers as the profile says', () => {
    const expected = EXPECTED.map(({ answer }) => answer)
    assertAnswers(answers(runProbe(probe, filter, ARGUMENTS)), expected)
  })

  it('is what answers: without it the kernel does or says something else', () => {
    const expected = EXPECTED.map(({ unfiltered }) => unfiltered)
    assertAnswers(answers(runProbe(probe, null, ARGUMENTS)), expected)
  })

  const foreign = ARCHITECTURE === 'x64' ? false : 'only x86-64 has a second entry that a program can choose at any time'
  it('kills a process that makes a 32-bit or an x32 call', { skip: foreign }, () => {
    for (const call of ['i386', String(0x4000_0000 + 39)]) {
      assert.equal(runProbe(probe, filter, [call]).signal, 'SIGSYS', call)
      assert.equal(runProbe(probe, null, [call]).signal, null, call)
    }
  })

  it('is what runc makes of the OCI rendition', { skip: whyNoRunc() }, () => {
    const expected = EXPECTED.map(({ answer, oci }) => (oci === undefined ? answer : ERRNO[oci]))
    assertAnswers(runInRunc(probe.directory, probe.program), expected)
  })
})

function whyNoRunc(): string | false {
  if (process.getuid?.() !== 0) return 'runc needs root for a sandbox without a user namespace'
  return spawnSync('runc', ['--version']).status === 0 ? false : 'runc is not installed'
}

function runInRunc(directory: string, program: string): readonly number[] {
  const bundle = join(directory, 'bundle')
  mkdirSync(join(bundle, 'rootfs', 'proc'), { recursive: true })
  copyFileSync(program, join(bundle, 'rootfs', 'probe'))
  const config = {
    ociVersion: '1.0.2',
    root: { path: 'rootfs', readonly: true },
    process: { user: { uid: 0, gid: 0 }, args: ['/probe', '-', ...ARGUMENTS], env: [], cwd: '/', noNewPrivileges: true },
    mounts: [{ destination: '/proc', type: 'proc', source: 'proc' }],
    linux: {
      namespaces: ['pid', 'network', 'ipc', 'uts', 'mount'].map((type) => ({ type })),
      seccomp: toOciSeccomp(JOB_PROFILE, ARCHITECTURE),
    },
  }
  writeFileSync(join(bundle, 'config.json'), JSON.stringify(config))
  const id = `sallyport-seccomp-${process.pid}`
  const root = ['--root', join(directory, 'runc')]
  const result = spawnSync('runc', [...root, 'run', '--bundle', bundle, id], {
    encoding: 'utf8',
    timeout: 240_000,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  spawnSync('runc', [...root, 'delete', '--force', id])
  return answers(result)
}
