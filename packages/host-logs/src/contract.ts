// SPDX-License-Identifier: Apache-2.0
// What the host's own logs say while jobs run, selected. Words in it were chosen by whoever made a program write them, a job among them.

export const HOST_LOG_NAMES = ['kernel', 'auth', 'journal'] as const
export type HostLogName = (typeof HOST_LOG_NAMES)[number]

/** What may matter for a job. Each class is limited for itself: a flood of one hides none of another. */
export type HostRecordClass =
  /** A process was ended because memory ran out. */
  | 'oom'
  /** A process was ended by a fault of its own: segmentation fault, invalid instruction. */
  | 'fault'
  /** A system call was refused by a filter. */
  | 'seccomp'
  /** AppArmor, SELinux, Yama, lockdown. */
  | 'access-control'
  | 'bpf'
  | 'module'
  | 'netfilter'
  | 'file-system'
  /** The kernel itself is at fault: BUG, WARNING, a hung task. */
  | 'kernel-bug'
  | 'device'
  /** Somebody logged in, or tried to. */
  | 'login'
  /** sudo, su, pkexec. */
  | 'privilege'
  /** Users, groups and passwords were changed. */
  | 'account'
  /** A unit of interest started, stopped or said something. */
  | 'service'
  /** The log itself says that it left something out. */
  | 'suppressed'
  /** Nothing of these, and at least an error. */
  | 'error'

/** Whose process a record is about, as far as the one who wrote it can be believed. */
export interface ProcessFacts {
  /** Of the host. */
  readonly pid: number | null
  readonly uid: number | null
  readonly cgroup: string | null
}

export interface HostRecord extends ProcessFacts {
  readonly kind: 'record'
  /** ISO 8601, UTC: the log's own time where it has one of use, else when it was read. */
  readonly at: string
  readonly class: HostRecordClass
  /** Cleaned of control characters and cut. */
  readonly message: string
  /** What said it: `kernel`, `sshd`. Cleaned and cut. */
  readonly by: string
  /** The log's own number; null where it has none. */
  readonly number: number | null
  /** syslog's severity, 0 to 7; null where the log does not have it. */
  readonly severity: number | null
}

/** Why records of a log cannot be had, or were not taken. */
export type DropReason =
  /** The log had no room for them any more when they were to be read. */
  | 'overwritten'
  /** The log was cut or replaced before they were read. */
  | 'truncated'
  /** They came faster than {@link RateLimit} takes records of their class. */
  | 'rate'
  /** The run ended before they could be read. */
  | 'unread'
  /** They are in no form that this reader knows. */
  | 'malformed'

/** Records are missing here. */
export interface HostGap {
  readonly kind: 'gap'
  readonly reason: DropReason
  /** Records; null: nobody can know how many. */
  readonly count: number | null
}

export type HostItem = HostRecord | HostGap

/** What was read and is not in the items. */
export interface HostCounts {
  /** Records that matter to no job. */
  readonly notSelected: number
  readonly dropped: Readonly<Partial<Record<DropReason, number>>>
}

/**
 * One log of the host, from where it stood when it was opened. Calls must not overlap. What is read at a time is bounded; so is what it keeps.
 */
export interface HostLog {
  readonly place: string
  /** What has come since the last time. `isLast`: what is left then is counted, and nothing is waited for longer than some tens of milliseconds. */
  read(isLast: boolean): Promise<readonly HostItem[]>
  readonly counts: HostCounts
  close(): void
}
