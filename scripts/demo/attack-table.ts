// SPDX-License-Identifier: Apache-2.0
import type { Attempt } from '@sallyport/testkit'
import type { Attempts } from './attack-runs.ts'
import { ATTACK_ROWS, type AttackRow, STAYS_POSSIBLE } from './attack-walls.ts'

export interface Judgement {
  readonly row: AttackRow
  readonly plain: Attempt | undefined
  readonly sallyport: Attempt | undefined
  /** Why the demonstration fails by this row, or null. */
  readonly fault: string | null
}

/** Fails closed: an attempt that nobody told of was not refused. */
export function judge(plain: Attempts, sallyport: Attempts): readonly Judgement[] {
  const known = new Set(ATTACK_ROWS.map(({ id }) => id))
  const unknown = [...sallyport.keys()].filter((id) => !known.has(id))
  const strangers = unknown.map((id): AttackRow => ({ id, aim: 'not in attack-walls.ts', wall: 'none', important: false }))
  return [...ATTACK_ROWS, ...strangers].map((row) => {
    const answers = { row, plain: plain.get(row.id), sallyport: sallyport.get(row.id) }
    return { ...answers, fault: faultOf(answers, known) }
  })
}

function faultOf({ row, plain, sallyport }: Omit<Judgement, 'fault'>, known: ReadonlySet<string>): string | null {
  if (!known.has(row.id)) return 'this attempt has no row in scripts/demo/attack-walls.ts'
  if (row.important && plain?.outcome !== 'got') return 'it did not get through in the plain box, so its refusal proves nothing'
  if (STAYS_POSSIBLE.has(row.id)) return null
  if (sallyport === undefined) return 'it was not heard of in Sallyport'
  return sallyport.outcome === 'refused' ? null : 'it was not refused in Sallyport'
}

export interface Paint {
  readonly good: (text: string) => string
  readonly bad: (text: string) => string
}

export function renderTable(judgements: readonly Judgement[], paint: Paint): string {
  const rows = judgements.map((judgement) => cells(judgement))
  const head = ['attempt', 'what it would give', 'plain box', 'Sallyport', 'wall that refused']
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)))
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd()
  const painted = judgements.map(({ fault }, index) => (fault === null ? paint.good : paint.bad)(line(rows[index] ?? [])))
  return [line(head), line(widths.map((width) => '─'.repeat(width))), ...painted].join('\n')
}

function cells({ row, plain, sallyport }: Judgement): readonly string[] {
  const wall = STAYS_POSSIBLE.has(row.id) ? 'stays possible (see THREAT_MODEL.md)' : row.wall === 'none' ? '–' : row.wall
  return [row.id, row.aim, word(plain, 'not tried'), word(sallyport, 'NOT HEARD OF'), wall]
}

function word(attempt: Attempt | undefined, missing: string): string {
  if (attempt === undefined) return missing
  if (attempt.outcome !== 'refused') return attempt.outcome === 'got' ? 'GOT IT' : 'started'
  return attempt.error === null ? 'refused' : `refused ${attempt.error}`
}
