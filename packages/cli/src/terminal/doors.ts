// SPDX-License-Identifier: Apache-2.0
import type { Doors } from '@sallyport/agent'
import { type EventEnvelope, formatSize } from '@sallyport/core'
import { oneLine } from './sanitize.ts'
import type { Style } from './style.ts'
import { renderTable } from './table.ts'

/** A job that tries a thousand hosts must not push everything else off the screen; the summary and the record have the rest. */
const NOTES_PER_STEP_MAX = 10
const USED_SHOWN = 200
const REFUSED_SHOWN = 50

/** Of every output about a run that blocked nothing. */
export function observedMark(style: Style): string {
  return style.warn('Egress was only observed: nothing was blocked')
}

/** What is told of the doors while a step runs, without the place. Its texts were chosen by the job. */
export class DoorNotes {
  readonly #counts: Map<string, number> = new Map()

  /** Null for every other event, and for what comes after {@link NOTES_PER_STEP_MAX} notes of one step. */
  describe(event: EventEnvelope): string | null {
    const text = describeDoor(event)
    if (text === null) return null
    const place = JSON.stringify([event.job, event.step])
    const count = (this.#counts.get(place) ?? 0) + 1
    this.#counts.set(place, count)
    if (count > NOTES_PER_STEP_MAX + 1) return null
    return count > NOTES_PER_STEP_MAX ? 'more of its doors are in the summary' : text
  }
}

function describeDoor({ type, data }: EventEnvelope): string | null {
  const text = (name: string): string => oneLine(String(data[name] ?? ''))
  switch (type) {
    case 'door.refused':
      return `✗ refused ${text('target')} (${text('code').replaceAll('-', ' ')})`
    case 'door.alert':
      return `! ${text('kind')}: ${text('detail')}`
    case 'door.first-seen':
      return `! first connection to ${text('host')}:${text('port')} from this repository`
    default:
      return null
  }
}

type Place = (job: string, step: string | null) => string

/** Every door that was used. Empty when there is none. */
export function renderUsedDoors({ used, observed }: Doors, place: Place, style: Style): string {
  const mark = observed ? `${observedMark(style)}\n` : ''
  if (used.length === 0) return mark
  const rows = used
    .slice(0, USED_SHOWN)
    .map((door) => [
      `  ${place(door.job, door.step)}`,
      `${oneLine(door.host)}:${door.port}`,
      `${oneLine(door.protocol)}, ${door.connections} connection${door.connections === 1 ? '' : 's'}`,
      `${formatSize(door.bytesOut)} out, ${formatSize(door.bytesIn)} in`,
      door.rule === null ? '' : style.dim(oneLine(door.rule)),
    ])
  return `${mark}${style.bold('Doors used')}\n${renderTable(rows)}${moreThan(USED_SHOWN, used.length)}`
}

/** Every door that was refused, with what would open it. */
export function renderRefusedDoors({ refused }: Doors, place: Place, style: Style): string {
  if (refused.length === 0) return ''
  const shown = refused.slice(0, REFUSED_SHOWN)
  const rows = shown.map((door) => [
    `  ${place(door.job, door.step)}`,
    style.bad(oneLine(door.target)) + (door.count > 1 ? ` ×${door.count}` : ''),
    oneLine(door.reason, 500) + (door.rule === null ? '' : style.dim(` (${oneLine(door.rule)})`)),
  ])
  const lines = renderTable(rows).split('\n')
  // Once each: twenty connections to one host are mended by one line.
  const told = new Set<string>()
  const withRemedies = shown.map(({ remedy: known }, index) => {
    const remedy = known ?? '' // Records of the first release have none.
    if (remedy === '' || told.has(remedy)) return `${lines[index]}\n`
    told.add(remedy)
    return `${lines[index]}\n      ${oneLine(remedy, 500)}\n`
  })
  return `${style.bold('Doors refused')}\n${withRemedies.join('')}${moreThan(REFUSED_SHOWN, refused.length)}`
}

function moreThan(shown: number, count: number): string {
  return count > shown ? `  … ${count - shown} more in the record\n` : ''
}
