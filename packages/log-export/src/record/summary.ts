// SPDX-License-Identifier: Apache-2.0
import type { ExportRecord } from '../contract.ts'

/** One line for people: what, of which job and step, by which source. */
export function summaryOf({ entry, index }: ExportRecord): string {
  if (entry === null) return `entry ${index} is not one that Sallyport writes`
  const { type, job, step, source } = entry
  const where = [job, step].filter((part) => part !== undefined).join(' step ')
  return `${type}${where === '' ? '' : ` in ${where}`} (${source})`
}

/** Milliseconds since the epoch, as the source said; 0 where it said nothing that is a time. */
export function timeOf({ entry }: ExportRecord): number {
  const ms = entry === null ? Number.NaN : Date.parse(entry.at)
  return Number.isNaN(ms) ? 0 : ms
}
