// SPDX-License-Identifier: Apache-2.0
import { selectAuth } from '../auth/select-auth.ts'
import type { HostRecordClass, ProcessFacts } from '../contract.ts'
import { selectKernel } from '../kernel/select-kernel.ts'
import type { JournalEntry } from './journal-entry.ts'

/** Logs that are read themselves: what journald has of them, too, is not said twice. */
export interface ReadElsewhere {
  readonly kernel: boolean
  readonly auth: boolean
}

export interface JournalFacts extends ProcessFacts {
  readonly class: HostRecordClass
}

/** systemd-coredump's, see systemd.journal-fields(7). */
const COREDUMP_MESSAGE = 'fc2e22bc6ee647b6b90729ab34a250b1'
/** LOG_AUTH and LOG_AUTHPRIV. */
const AUTH_FACILITIES: readonly string[] = ['4', '10']
const ERROR = 3

/** Who lets people in, who guards, and who else runs containers and machines here. */
const UNITS =
  /^(sshd?(@.*)?|systemd-logind|polkit|auditd|apparmor|docker|containerd|crio|podman|libvirtd|nftables|iptables|ip6tables|firewalld|ufw|fail2ban|systemd-journald|rsyslog)\.(service|socket)$/

/** Null: nothing that matters for a job, or something that another log tells. */
export function selectJournal(entry: JournalEntry, elsewhere: ReadElsewhere): JournalFacts | null {
  const { field } = entry
  const message = field('MESSAGE')
  const severity = severityOf(entry)
  if (field('_TRANSPORT') === 'kernel') return elsewhere.kernel ? null : selectKernel(message, severity ?? ERROR + 1)
  if (isCoredump(entry)) return { class: 'fault', ...coredumpOf(entry) }
  const recordClass = classOf(entry, elsewhere)
  if (recordClass === null) return null
  return { class: recordClass, pid: numberOf(field('_PID')), uid: numberOf(field('_UID')), cgroup: field('_SYSTEMD_CGROUP') || null }
}

function classOf(entry: JournalEntry, elsewhere: ReadElsewhere): HostRecordClass | null {
  const { field } = entry
  if (AUTH_FACILITIES.includes(field('SYSLOG_FACILITY')))
    return elsewhere.auth ? null : selectAuth(field('SYSLOG_IDENTIFIER'), field('MESSAGE'))
  if (UNITS.test(field('_SYSTEMD_UNIT')) || UNITS.test(field('UNIT'))) return 'service'
  return (severityOf(entry) ?? ERROR + 1) <= ERROR ? 'error' : null
}

/** syslog's severity; null where the sender said none. */
export function severityOf({ field }: JournalEntry): number | null {
  const text = field('PRIORITY')
  return /^[0-7]$/.test(text) ? Number(text) : null
}

/** The fields are the sender's word: only that of the program itself counts. */
function isCoredump({ field }: JournalEntry): boolean {
  return field('MESSAGE_ID') === COREDUMP_MESSAGE && field('_COMM').startsWith('systemd-coredum')
}

function coredumpOf({ field }: JournalEntry): ProcessFacts {
  return { pid: numberOf(field('COREDUMP_PID')), uid: numberOf(field('COREDUMP_UID')), cgroup: field('COREDUMP_CGROUP') || null }
}

function numberOf(text: string): number | null {
  return /^\d{1,10}$/.test(text) ? Number(text) : null
}
