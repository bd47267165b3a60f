// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { GATE_PROFILE } from './gate-profile.ts'
import { JOB_PROFILE } from './profile.ts'
import { refusals } from './refusals.ts'
import { resolveProfile, SYSCALLS } from './resolve.ts'

const ARCHITECTURES = ['x64', 'arm64'] as const

describe('the job profile', () => {
  it('decides about every known call of both architectures', () => {
    for (const architecture of ARCHITECTURES) {
      const decided = resolveProfile(JOB_PROFILE, architecture)
      assert.deepEqual(
        Object.keys(SYSCALLS[architecture]).filter((name) => !decided.has(name)),
        [],
      )
    }
  })

  it('never allows what reaches other processes, mounts, namespaces or the kernel itself', () => {
    const dangerous = `ptrace process_vm_readv process_vm_writev pidfd_getfd kcmp mount umount2 pivot_root fsopen fsconfig fsmount fspick
      move_mount open_tree mount_setattr unshare setns clone3 bpf perf_event_open userfaultfd keyctl add_key request_key io_uring_setup
      io_uring_enter io_uring_register open_by_handle_at init_module finit_module delete_module kexec_load kexec_file_load reboot swapon
      swapoff syslog acct settimeofday clock_settime fanotify_init sethostname setdomainname quotactl vhangup`
    const decided = resolveProfile(JOB_PROFILE, 'x64')
    for (const name of dangerous.split(/\s+/)) assert.notEqual(decided.get(name) ?? 'allow', 'allow', name)
  })

  it('gives a reason for every group', () => {
    for (const { why, calls } of [...JOB_PROFILE.allow, ...JOB_PROFILE.conditional, ...JOB_PROFILE.refuse]) {
      assert.match(why, /^[A-Z].+\.$/, calls.join())
    }
  })

  it('lists what it refuses, with the condition where there is one', () => {
    const list = refusals(JOB_PROFILE)
    assert.equal(list.find(({ calls }) => calls.includes('mount'))?.when, 'always')
    assert.equal(list.find(({ calls }) => calls.includes('clone'))?.when, 'any CLONE_NEW* flag, and CLONE_PARENT')
    assert.equal(list.length, JOB_PROFILE.refuse.length + JOB_PROFILE.conditional.length)
  })
})

describe("the gate's profile", () => {
  it('allows nothing that the job may not, and less', () => {
    for (const architecture of ARCHITECTURES) {
      const job = resolveProfile(JOB_PROFILE, architecture)
      const gate = resolveProfile(GATE_PROFILE, architecture)
      for (const [name, decision] of gate) if (decision === 'allow') assert.notEqual(job.get(name), undefined, name)
      const allowed = (decisions: ReadonlyMap<string, unknown>): number => [...decisions.values()].filter((each) => each === 'allow').length
      assert.ok(allowed(gate) < allowed(job) / 2)
    }
  })

  it('never allows processes, files that change, other kinds of sockets, or the kernel itself', () => {
    const refused = `fork vfork clone3 execveat kill tkill pidfd_open ptrace process_vm_readv mount umount2 pivot_root unshare setns chroot
      mkdir mkdirat unlink unlinkat rename renameat2 symlink link truncate ftruncate chmod fchmod chown mknod memfd_create socketpair
      bpf perf_event_open userfaultfd keyctl io_uring_setup open_by_handle_at seccomp setuid setgid capset personality`
    const decided = resolveProfile(GATE_PROFILE, 'x64')
    for (const name of refused.split(/\s+/)) assert.match(String(decided.get(name) ?? 'ENOSYS'), /^E/, name)
  })

  it('gives a reason for every group', () => {
    for (const { why, calls } of [...GATE_PROFILE.allow, ...GATE_PROFILE.conditional, ...GATE_PROFILE.refuse])
      assert.match(why, /^[A-Z].+\.$/, calls.join())
  })
})

describe('the tables of system calls', () => {
  it('give each number one name', () => {
    for (const architecture of ARCHITECTURES) {
      const numbers = Object.values(SYSCALLS[architecture])
      assert.equal(new Set(numbers).size, numbers.length)
    }
  })

  it('agree from 424 on, where both architectures number alike', () => {
    const recent = (architecture: 'x64' | 'arm64') => Object.entries(SYSCALLS[architecture]).filter(([, number]) => number >= 424)
    assert.deepEqual(recent('x64'), recent('arm64'))
    assert.equal(SYSCALLS.x64['mseal'], 462)
  })
})
