// SPDX-License-Identifier: Apache-2.0
// Which of the kernel's messages matter for jobs, and whose process they are about. Names of processes (at most 15 bytes) stand in them as
// their owners chose them: a fact is only read where no name can stand before it.
import type { HostRecordClass, ProcessFacts } from '../contract.ts'

export interface KernelFacts extends ProcessFacts {
  readonly class: HostRecordClass
}

const NOBODY: ProcessFacts = { pid: null, uid: null, cgroup: null }
/** Worse than a warning. */
const ERROR = 3

/** Null: nothing that matters for a job. */
export function selectKernel(message: string, severity: number): KernelFacts | null {
  for (const rule of RULES) {
    const facts = rule(message)
    if (facts !== null) return facts
  }
  return severity <= ERROR ? { class: 'error', ...NOBODY } : null
}

/** `oom-kill:constraint=…,cpuset=ID,…,oom_memcg=/…,task_memcg=/…,task=NAME,pid=1,uid=2`; cgroups are named by the host's root alone. */
function oomKill(message: string): KernelFacts | null {
  if (!message.startsWith('oom-kill:')) return null
  const [head = ''] = message.split(',task=', 1)
  const [, pid, uid] = /,pid=(\d+),uid=(\d+)$/.exec(message) ?? []
  return { class: 'oom', pid: numberOf(pid), uid: numberOf(uid), cgroup: /,task_memcg=([^,]+)$/.exec(head)?.[1] ?? null }
}

/** `Memory cgroup out of memory: Killed process 1 (NAME) total-vm:…, UID:2 pgtables:…`: the last UID is the kernel's own. */
function killedProcess(message: string): KernelFacts | null {
  const [, pid] = /^(?:Memory cgroup o|O)ut of memory(?: \([^)]{1,40}\))?: Killed process (\d+) \(/.exec(message) ?? []
  if (pid !== undefined) {
    const uid = /.* UID:(\d+) pgtables:/.exec(message)?.[1]
    return { class: 'oom', ...NOBODY, pid: numberOf(pid), uid: numberOf(uid) }
  }
  const [, reaped] = /^oom_reaper: reaped process (\d+) \(/.exec(message) ?? []
  return reaped === undefined ? null : { class: 'oom', ...NOBODY, pid: numberOf(reaped) }
}

/** A name has at most 15 bytes, 60 characters when each is escaped; what follows is longer than that, so that no name can hold it. */
const SEGFAULT = /^.{0,60}?\[(\d+)\]: segfault at [0-9a-f]+ ip [0-9a-f]+ sp [0-9a-f]+ error [0-9a-f]+/
const TRAP = /^traps: .{0,60}?\[(\d+)\] [a-z][a-z0-9 -]{0,60} ip:[0-9a-f]+ sp:[0-9a-f]+ error:[0-9a-f]+/
/** Of architectures other than x86: `NAME[1]: unhandled exception: …` */
const UNHANDLED = /^.{0,60}?\[(\d+)\]: unhandled exception: /

function fault(message: string): KernelFacts | null {
  const pid = (SEGFAULT.exec(message) ?? TRAP.exec(message) ?? UNHANDLED.exec(message))?.[1]
  return pid === undefined ? null : { class: 'fault', ...NOBODY, pid: numberOf(pid) }
}

/** Types of include/uapi/linux/audit.h. */
const AUDIT_CLASSES: Readonly<Record<string, HostRecordClass>> = {
  '1100': 'login',
  '1107': 'access-control',
  '1112': 'login',
  '1325': 'netfilter',
  '1326': 'seccomp',
  '1330': 'module',
  '1334': 'bpf',
  '1400': 'access-control',
  '1403': 'access-control',
  '1404': 'access-control',
  '1405': 'access-control',
  '1700': 'device',
  '1701': 'fault',
}

/** Texts that others chose are quoted in them, or in hexadecimal, and stand behind the numbers. */
function audit(message: string): KernelFacts | null {
  const [, type] = /^audit: type=(\d+) audit\(/.exec(message) ?? []
  if (type === undefined) return /^audit: (audit_lost|rate limit|backlog limit)/.test(message) ? { class: 'suppressed', ...NOBODY } : null
  const recordClass = AUDIT_CLASSES[type]
  if (recordClass === undefined) return null
  const [numbers = ''] = message.split('"', 1)
  return {
    class: recordClass,
    cgroup: null,
    pid: numberOf(/ pid=(\d+)/.exec(numbers)?.[1]),
    uid: numberOf(/ uid=(\d+)/.exec(numbers)?.[1]),
  }
}

/** `show_signal_msg: 24 callbacks suppressed`: what the kernel did not write. */
function suppressed(message: string): KernelFacts | null {
  return SUPPRESSED.test(message) ? { class: 'suppressed', ...NOBODY } : null
}

const SUPPRESSED =
  /^(show_signal_msg|oom_kill_process|show_signal|__report_bad|kauditd_printk_skb|__ratelimit|net_ratelimit|dump_stack)[a-z_]*: \d+ callbacks suppressed/

function words(message: string): KernelFacts | null {
  const recordClass = WORDS.find(([, pattern]) => pattern.test(message))?.[0]
  return recordClass === undefined ? null : { class: recordClass, ...NOBODY }
}

/** Written by no process of a job in these forms, though names of files and devices may stand in them. */
const WORDS: readonly (readonly [HostRecordClass, RegExp])[] = [
  [
    'kernel-bug',
    /^(BUG|WARNING|Oops|Kernel panic|general protection fault|Internal error|KASAN|UBSAN|kernel BUG|------------\[ cut here|INFO: (task|rcu)|watchdog: |rcu: INFO|Unable to handle|unable to handle|list_(add|del) corruption|refcount_t: )/,
  ],
  [
    'file-system',
    /^(EXT[234]|XFS|BTRFS|JBD2|FAT|F2FS|SQUASHFS|EROFS|overlayfs|FUSE)\b.*(error|Error|ERROR|corrupt|Corrupt|read-only|shutdown|abort|failed)/,
  ],
  ['file-system', /^(Buffer I\/O error|I\/O error|blk_update_request: |critical (medium|target|space) |VFS: )/],
  ['netfilter', /^(nf_conntrack|nf_tables|xt_|ip_tables|ip6_tables|ipvs|IPVS|(request_sock_)?TCP: .*SYN flooding)/],
  ['netfilter', /(^|\s)IN=\S* OUT=\S* /],
  ['module', /(^|: )(loading out-of-tree module|module verification failed|module license |.*taint(s|ing) kernel)/],
  ['bpf', /(^bpf[:_ ]|bpf_probe_write_user|BPF: )/],
  ['access-control', /^(AppArmor|apparmor|SELinux|Yama|ptrace attach|Lockdown|lockdown|SMACK|LSM|landlock)\b/],
  ['device', /^(usb |hid-generic |scsi |sd |device \S+ (entered|left) promiscuous mode)/],
]

function numberOf(digits: string | undefined): number | null {
  const number = Number(digits)
  return digits !== undefined && Number.isSafeInteger(number) ? number : null
}

/** The first that knows a message decides. */
const RULES: readonly ((message: string) => KernelFacts | null)[] = [oomKill, killedProcess, fault, audit, suppressed, words]
