// SPDX-License-Identifier: Apache-2.0
import type { HostRecordClass } from '../contract.ts'

const CLASSES: readonly (readonly [HostRecordClass, readonly string[]])[] = [
  [
    'login',
    [
      'sshd',
      'sshd-session',
      'sshd-auth',
      'dropbear',
      'login',
      'systemd-logind',
      'gdm-password',
      'sddm',
      'lightdm',
      'cockpit-session',
      'remote',
    ],
  ],
  ['privilege', ['sudo', 'su', 'doas', 'pkexec', 'polkitd', 'runuser']],
  [
    'account',
    [
      'useradd',
      'userdel',
      'usermod',
      'groupadd',
      'groupdel',
      'groupmod',
      'gpasswd',
      'passwd',
      'chpasswd',
      'chage',
      'chfn',
      'chsh',
      'newusers',
      'vipw',
    ],
  ],
]
const CLASS_OF: ReadonlyMap<string, HostRecordClass> = new Map(
  CLASSES.flatMap(([name, programs]) => programs.map((program) => [program, name])),
)

/** Null: nothing that matters for a job, as the sessions that cron opens. Whoever may write to the host's syslog can say that it is any program. */
export function selectAuth(program: string, message: string): HostRecordClass | null {
  const known = CLASS_OF.get(program)
  if (known !== undefined) return known
  return /authentication failure|FAILED LOGIN|password changed|incorrect password/i.test(message) ? 'login' : null
}
