// SPDX-License-Identifier: Apache-2.0
import type { HostFinding } from '../../contract.ts'
import { found } from './finding.ts'
import type { HostView } from './host-view.ts'

interface Setting {
  /** As sysctl spells it. */
  readonly name: string
  readonly good: (value: string) => boolean
  /** What `sysctl -w` is told. */
  readonly value: string
  /** True: a wall of Sallyport leans on it. */
  readonly isRequired: boolean
  readonly why: string
}

const atLeast =
  (least: number) =>
  (value: string): boolean =>
    Number(value) >= least
const oneOf =
  (...values: readonly string[]) =>
  (value: string): boolean =>
    values.includes(value)

/** Documentation/admin-guide/sysctl of the kernel's source says what each does. */
const SETTINGS: readonly Setting[] = [
  { name: 'kernel.randomize_va_space', good: atLeast(2), value: '2', isRequired: true, why: 'addresses of programs cannot be guessed' },
  {
    name: 'fs.protected_symlinks',
    good: atLeast(1),
    value: '1',
    isRequired: true,
    why: 'no link in /tmp leads a program of root elsewhere',
  },
  {
    name: 'fs.protected_hardlinks',
    good: atLeast(1),
    value: '1',
    isRequired: true,
    why: 'no name for a file that its maker may not write',
  },
  { name: 'fs.protected_fifos', good: atLeast(1), value: '2', isRequired: false, why: "no FIFO in /tmp in the place of a program's file" },
  {
    name: 'fs.protected_regular',
    good: atLeast(1),
    value: '2',
    isRequired: false,
    why: "no file of somebody else in /tmp in the place of a program's own",
  },
  {
    name: 'fs.suid_dumpable',
    good: oneOf('0', '2'),
    value: '0',
    isRequired: true,
    why: 'memory of privileged programs becomes no file of their caller',
  },
  { name: 'kernel.kptr_restrict', good: atLeast(1), value: '2', isRequired: false, why: 'no addresses of the kernel for exploits' },
  {
    name: 'kernel.dmesg_restrict',
    good: atLeast(1),
    value: '1',
    isRequired: false,
    why: "the kernel's log tells addresses, and about other jobs",
  },
  {
    name: 'kernel.yama.ptrace_scope',
    good: atLeast(1),
    value: '1',
    isRequired: false,
    why: 'a program of a user cannot read the memory of another',
  },
  {
    name: 'kernel.unprivileged_bpf_disabled',
    good: atLeast(1),
    value: '2',
    isRequired: false,
    why: 'the verifier of BPF has had many holes',
  },
  {
    name: 'net.core.bpf_jit_harden',
    good: atLeast(1),
    value: '2',
    isRequired: false,
    why: 'no code of choice by constants of BPF programs',
  },
  { name: 'kernel.perf_event_paranoid', good: atLeast(2), value: '3', isRequired: false, why: 'performance events measure other programs' },
  { name: 'kernel.kexec_load_disabled', good: atLeast(1), value: '1', isRequired: false, why: 'nobody replaces the running kernel' },
  {
    name: 'vm.mmap_min_addr',
    good: atLeast(65_536),
    value: '65536',
    isRequired: false,
    why: 'a null pointer of the kernel leads to no memory of a user',
  },
  {
    name: 'vm.unprivileged_userfaultfd',
    good: oneOf('0'),
    value: '0',
    isRequired: false,
    why: 'the usual help for winning races in the kernel',
  },
]

const GROUP = 'kernel settings'

/** A setting that this kernel does not have is `unknown`: it may have been built without what the setting is about. */
export function kernelSettings(view: HostView): readonly HostFinding[] {
  return [...SETTINGS.map((setting) => settingFinding(view, setting)), userNamespaces(view), corePattern(view)]
}

function settingFinding(view: HostView, { name, good, value, isRequired, why }: Setting): HostFinding {
  const now = view.text(`/proc/sys/${name.replaceAll('.', '/')}`)?.trim() ?? null
  const fix = `sysctl -w ${name}=${value}, and the line "${name} = ${value}" in /etc/sysctl.d/60-sallyport.conf`
  const state = now === null ? 'unknown' : good(now) ? 'ok' : isRequired ? 'missing' : 'warning'
  const text = now === null ? 'this kernel has no such setting' : `${now} (${why})`
  return found(`sysctl:${name}`, { group: GROUP, name }, { state, text, fix: now === null ? null : fix })
}

/** Root makes the namespaces of jobs: other users of the host need none for that. */
function userNamespaces(view: HostView): HostFinding {
  const named = { group: GROUP, name: 'user namespaces of ordinary users' } as const
  const id = 'userns'
  const most = Number(view.text('/proc/sys/user/max_user_namespaces') ?? '0')
  if (most === 0)
    return found(id, named, { state: 'missing', text: 'none at all, also not for jobs', fix: 'sysctl -w user.max_user_namespaces=10000' })
  const apparmor = view.text('/proc/sys/kernel/apparmor_restrict_unprivileged_userns')?.trim()
  const debian = view.text('/proc/sys/kernel/unprivileged_userns_clone')?.trim()
  if (apparmor === '1' || debian === '0') return found(id, named, { state: 'ok', text: 'only for root', fix: null })
  const fix =
    'sysctl -w kernel.unprivileged_userns_clone=0 (Debian) or kernel.apparmor_restrict_unprivileged_userns=1 (Ubuntu), unless jobs run rootless here'
  return found(id, named, { state: 'warning', text: 'anybody may make them; much of the kernel is reached by no other way', fix })
}

function corePattern(view: HostView): HostFinding {
  const pattern = view.text('/proc/sys/kernel/core_pattern')?.trim() ?? ''
  const named = { group: GROUP, name: 'kernel.core_pattern' } as const
  if (!pattern.startsWith('|'))
    return found('core-pattern', named, {
      state: 'ok',
      text: pattern === '' ? 'empty' : `${pattern}: no program is given memory of jobs`,
      fix: null,
    })
  const text = `${pattern.slice(0, 200)}: a program of root that is given the memory of crashed programs, with secrets in it`
  return found('core-pattern', named, {
    state: 'warning',
    text,
    fix: 'sysctl -w kernel.core_pattern=core, or see that the program respects RLIMIT_CORE 0',
  })
}
