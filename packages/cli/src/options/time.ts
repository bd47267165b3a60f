// SPDX-License-Identifier: Apache-2.0
import { UsageError } from '../usage-error.ts'

/** Times are compared as texts, in the form that the log has them in. */
export function parseTime(option: string, text: string | undefined): string | null {
  if (text === undefined) return null
  if (/^\d{4}(-\d\d(-\d\d(T\d\d(:\d\d(:\d\d(\.\d{3}Z?)?)?)?)?)?)?$/.test(text)) return text
  throw new UsageError('USAGE', `${option}: "${text}" is not a time`, {
    hint: 'Write UTC, as much of it as matters: 2026-11-22, or 2026-11-22T20:15',
  })
}

/** The moment at which a time begins. */
export function parseMoment(option: string, text: string | undefined): string | null {
  const time = parseTime(option, text)
  if (time === null) return null
  const moment = new Date(`${time.replace(/Z$/, '')}${'0000-01-01T00:00:00.000Z'.slice(time.replace(/Z$/, '').length)}`)
  if (!Number.isNaN(moment.getTime())) return moment.toISOString()
  throw new UsageError('USAGE', `${option}: there is no time "${text}"`, { hint: 'Write UTC: 2026-11-22, or 2026-11-22T20:15' })
}
