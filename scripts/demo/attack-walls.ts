// SPDX-License-Identifier: Apache-2.0
import type { Guarantee } from '@sallyport/sandbox'

/** What refuses an attempt: a guarantee of the sandbox that the self-check proves, or a part outside of it. */
export type Wall = Guarantee | 'redactor' | 'file-border' | 'command-scanner' | 'environment-guard' | 'disposal' | 'none'

export interface AttackRow {
  readonly id: string
  /** What it would give the attacker. */
  readonly aim: string
  readonly wall: Wall
  /** The demo proves nothing when one of these does not get through in the plain box. */
  readonly important: boolean
}

const row =
  (wall: Wall, important: boolean) =>
  (id: string, aim: string): AttackRow => ({ id, aim, wall, important })
const must = (wall: Wall) => row(wall, true)
/** Refused in the plain box too where the kernel has repaired it or was built without. */
const may = (wall: Wall) => row(wall, false)

/** Every attempt of `examples/hostile-dependency`, in the order of the table. An attempt that is missing here is a failure. */
export const ATTACK_ROWS: readonly AttackRow[] = [
  must('redactor')('print-secret-raw', 'the secret in the log, as it is'),
  must('redactor')('print-secret-base64', 'the secret in the log, base64'),
  must('redactor')('print-secret-base64-shifted', 'the secret in the log, base64 behind another byte'),
  must('redactor')('print-secret-hex', 'the secret in the log, hex'),
  must('redactor')('print-secret-url', 'the secret in the log, URL form'),
  must('redactor')('print-secret-json', 'the secret in the log, JSON form'),
  must('step-memory-isolation')('lurk-for-later-step', 'the secret, from the step that holds it while it runs'),
  must('step-memory-isolation')('read-proc-environ', 'another process’s environment'),
  must('step-memory-isolation')('read-proc-mem', 'another process’s memory'),
  must('step-memory-isolation')('process-vm-readv', 'another process’s memory, by a system call'),
  must('step-memory-isolation')('ptrace-attach', 'control over another process'),
  must('step-signal-isolation')('kill-others', 'the end of other steps’ processes'),
  must('step-signal-isolation')('kill-everyone', 'the end of every process within reach'),
  must('init-protected')('kill-init', 'the end of process 1'),
  must('host-files-hidden')('read-shadow', 'the host’s password hashes'),
  must('host-files-hidden')('read-ssh-key', 'the host’s keys'),
  must('host-files-hidden')('read-cloud-credentials', 'the host’s cloud credentials'),
  must('host-files-hidden')('read-other-homes', 'other people’s homes'),
  must('host-files-hidden')('read-canary-file', 'a file of the host whose path is known'),
  must('host-files-hidden')('docker-sock', 'the container daemon, and so the host'),
  must('network')('abstract-unix-socket', 'a host service without a file'),
  must('network')('connect-ip-literal', 'an address on the internet'),
  must('network')('dns-udp', 'a resolver, to carry data out in names'),
  must('network')('metadata-address', 'the machine’s cloud identity'),
  must('capabilities')('netlink-route-change', 'another network configuration'),
  must('seccomp')('packet-socket', 'all traffic of the network'),
  must('seccomp')('raw-socket', 'forged packets'),
  may('seccomp')('vsock-connect', 'the hypervisor'),
  must('pids-limit')('fork-bomb', 'all processes of the machine'),
  must('memory-limit')('memory-bomb', 'all memory of the machine'),
  must('disk-limit')('disk-filler', 'all disk of the machine'),
  must('inode-limit')('inode-filler', 'all inodes of the machine'),
  must('open-files-limit')('fd-exhaustion', 'all open files'),
  must('disposal')('daemonize-outlive', 'a process that lives on after the job'),
  must('init-protected')('zombie-flood', 'process numbers that never come free'),
  must('capabilities')('mount-tmpfs', 'a changed file tree'),
  must('seccomp')('mount-new-api', 'a changed file tree, by the new calls'),
  must('capabilities')('mount-cgroup-release-agent', 'a program run as the host’s root (CVE-2022-0492)'),
  must('seccomp')('unshare-userns', 'capabilities in a namespace of its own'),
  must('seccomp')('clone3-userns', 'the same where a filter cannot look'),
  must('seccomp')('setns-init', 'the namespaces of process 1'),
  must('capabilities')('open-by-handle', 'any file of the host by its number'),
  must('devices')('mknod-device', 'the host’s devices'),
  must('read-only-kernel')('core-pattern-write', 'a program run as the host’s root at the next crash'),
  may('read-only-kernel')('sysrq-trigger', 'a reboot of the machine'),
  may('masked-paths')('kcore-read', 'the kernel’s memory'),
  must('devices')('masked-path-race', 'kernel files behind a replaced /dev/null (CVE-2025-31133)'),
  must('mount-namespace')('workdir-fd-leak', 'the host’s tree by a leaked descriptor (CVE-2024-21626)'),
  must('init-protected')('proc-self-exe-overwrite', 'the runtime’s own program (CVE-2019-5736)'),
  must('nosuid-nodev')('setuid-binary', 'root by a setuid file'),
  must('nosuid-nodev')('file-capabilities', 'capabilities by a file'),
  must('seccomp')('bpf-load', 'programs in the kernel'),
  may('seccomp')('io-uring-setup', 'system calls past the filter'),
  may('seccomp')('userfaultfd', 'time for a kernel race'),
  may('seccomp')('perf-event-open', 'the kernel’s performance interface'),
  must('seccomp')('keyctl-read', 'the host user’s keyring'),
  may('seccomp')('load-module', 'code in the kernel'),
  may('seccomp')('nf-tables', 'the kernel code of CVE-2024-1086'),
  may('none')('dirty-pipe', 'a write to read-only files (CVE-2022-0847): the kernel’s own repair'),
  must('seccomp')('personality', 'memory without protection'),
  must('seccomp')('tiocsti', 'keys typed into the terminal of whoever started the job'),
  must('command-scanner')('set-env-command', 'a variable in later steps by printed text'),
  must('environment-guard')('github-env-node-options', 'code in every later Node'),
  must('environment-guard')('github-env-ld-preload', 'code in every later program'),
  must('file-border')('fifo-trap', 'a runner that hangs on a FIFO'),
  must('file-border')('symlink-trap', 'the host’s files through a link in the workspace'),
  // Stays possible, and is published as such: a later step runs what an earlier one installed.
  must('none')('github-path', 'the front of later steps’ PATH'),
]

/** Attempts that Sallyport lets through on purpose. */
export const STAYS_POSSIBLE: ReadonlySet<string> = new Set(['github-path'])
