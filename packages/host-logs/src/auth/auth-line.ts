// SPDX-License-Identifier: Apache-2.0

/** A line of a log file that rsyslog writes, with either of its two time stamps. */
export interface AuthLine {
  readonly at: Date
  /** `sshd` */
  readonly program: string
  readonly pid: number | null
  readonly message: string
}

/** RFC 5424's, as rsyslog's default has been since 8.2. */
const ISO = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)) \S{1,255} ([^\s:[]{1,64})(?:\[(\d{1,10})\])?: ?(.*)$/s
/** RFC 3164's: local time, no year. */
const TRADITIONAL = /^([A-Z][a-z]{2}) ([ \d]\d) (\d\d):(\d\d):(\d\d) \S{1,255} ([^\s:[]{1,64})(?:\[(\d{1,10})\])?: ?(.*)$/s
const MONTHS: readonly string[] = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const DAY_MS = 86_400e3

/** Null for what is no such line. `now`: the year that a stamp does not say. */
export function parseAuthLine(line: string, now: Date): AuthLine | null {
  const iso = ISO.exec(line)
  if (iso !== null) return authLine(new Date(iso[1] ?? ''), iso.slice(2))
  const traditional = TRADITIONAL.exec(line)
  if (traditional === null) return null
  const [, month = '', ...numbers] = traditional.slice(0, 6)
  return authLine(localDate(MONTHS.indexOf(month), numbers.map(Number), now), traditional.slice(6))
}

function authLine(at: Date, [program = '', pid, message = '']: readonly (string | undefined)[]): AuthLine | null {
  if (Number.isNaN(at.getTime())) return null
  return { at, program, pid: pid === undefined ? null : Number(pid), message }
}

/** A day in the future was last year's. */
function localDate(month: number, [day = 0, hour = 0, minute = 0, second = 0]: readonly number[], now: Date): Date {
  if (month === -1) return new Date(Number.NaN)
  const at = new Date(now.getFullYear(), month, day, hour, minute, second)
  if (at.getTime() > now.getTime() + DAY_MS) at.setFullYear(at.getFullYear() - 1)
  return at
}
