// SPDX-License-Identifier: Apache-2.0
import { TILE_WIDTH } from '@sallyport/audit-log'
import { isHold, type LegalHold } from '@sallyport/store'
import type { RetentionClass } from './contract.ts'

/** What a change does once it stands in the log. */
export type ChangeWork =
  | {
      readonly type: 'hold.placed' | 'hold.released'
      readonly hold: LegalHold
      /** Why it was released. */
      readonly reason: string
      /** All that are in force then. */
      readonly holds: readonly LegalHold[]
    }
  | ({ readonly type: 'payload.erased' } & Erasure)
  | {
      readonly type: 'log.archived'
      readonly first: number
      readonly end: number
      /** Name of the archive. */
      readonly archive: string
    }
  | {
      readonly type: 'key.rotated'
      /** Verifier keys. */
      readonly oldKey: string
      readonly newKey: string
    }

export interface Erasure {
  readonly cause: 'request' | 'retention'
  readonly reason: string
  readonly sources: readonly string[]
  readonly classes: readonly RetentionClass[]
  /** What is from then on stays; null: nothing does. */
  readonly before: string | null
}

export interface Change {
  /** Tells whether it stands in the log already. */
  readonly id: string
  readonly at: string
  readonly actor: string
  readonly work: ChangeWork
}

/** What the entry says. */
export function dataOf(work: ChangeWork): Readonly<Record<string, unknown>> {
  switch (work.type) {
    case 'hold.placed':
      return { hold: work.hold }
    case 'hold.released':
      return { hold: work.hold, reason: work.reason }
    case 'payload.erased':
      return { cause: work.cause, reason: work.reason, sources: work.sources, classes: work.classes, before: work.before }
    case 'log.archived':
      return { first: work.first, end: work.end, archive: work.archive }
    case 'key.rotated':
      return { oldKey: work.oldKey, newKey: work.newKey }
  }
}

/** Null for what is none. */
export function parseChange(text: string): Change | null {
  try {
    const value: unknown = JSON.parse(text)
    return isChange(value) ? value : null
  } catch (error) {
    if (error instanceof SyntaxError) return null
    throw error
  }
}

function isChange(value: unknown): value is Change {
  if (!isObject(value) || !isObject(value['work'])) return false
  const { id, at, actor, work } = value
  return [id, actor].every(isText) && isTime(at) && isWork(work as Record<string, unknown>)
}

function isWork(work: Readonly<Record<string, unknown>>): boolean {
  const { type } = work
  if (type === 'hold.placed' || type === 'hold.released')
    return isHold(work['hold']) && isText(work['reason']) && isList(work['holds'], isHold)
  if (type === 'log.archived') return [work['first'], work['end']].every(isBoundary) && isText(work['archive'])
  if (type === 'key.rotated') return [work['oldKey'], work['newKey']].every(isText)
  if (type !== 'payload.erased') return false
  const { cause, reason, sources, classes, before } = work
  return isText(cause) && isText(reason) && isList(sources, isSource) && isList(classes, isText) && (before === null || isText(before))
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

/** As an entry has it. */
function isTime(value: unknown): boolean {
  return isText(value) && !Number.isNaN(Date.parse(value)) && new Date(value).toISOString() === value
}

/** Whole tiles are archived. */
function isBoundary(value: unknown): boolean {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value % TILE_WIDTH === 0
}

/** It becomes the name of a directory. */
function isSource(value: unknown): boolean {
  return isText(value) && /^[a-z]+(\/[A-Za-z0-9-]+)*$/.test(value)
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}

function isList(value: unknown, isItem: (item: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(isItem)
}
