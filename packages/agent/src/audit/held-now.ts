// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { canonicalJson } from '@sallyport/audit-log'
import { type LegalHold, LegalHolds, readWhole, StoreError } from '@sallyport/store'
import { type Change, parseChange } from './change.ts'

const CHANGE_BYTES_MAX = 16 * 2 ** 20

/** Where a change stands that is under way, or was broken off. */
export function changePath(log: string): string {
  return join(log, 'change.json')
}

/** Null: none is under way. @throws StoreError STORE_CORRUPT */
export async function readUnfinished(log: string): Promise<Change | null> {
  const bytes = await readWhole(changePath(log), CHANGE_BYTES_MAX)
  if (bytes === null) return null
  const change = parseChange(bytes.toString())
  if (change !== null) return change
  throw new StoreError('STORE_CORRUPT', `Cannot finish the change in "${changePath(log)}": it is not what was written`, {
    hint: 'Keep the file, see in the log what was done last, and move it away: sallyport audit show --type payload.erased',
  })
}

/** The holds that were in force after a change, in its entry. */
export function digestOf(holds: readonly LegalHold[]): string {
  return createHash('sha256').update(canonicalJson(holds)).digest('hex')
}

/** What the files of a log say is held: as it is, and as it will be when what was begun is done. */
export interface HeldNow {
  readonly lists: readonly (readonly LegalHold[])[]
  /** Why there is no list. */
  readonly problem: string | null
}

/** The change first: should it be done in between, the list is the new one. */
export async function readHeldNow(log: string): Promise<HeldNow> {
  try {
    const work = (await readUnfinished(log))?.work
    const list = await new LegalHolds(log).list()
    return { lists: work !== undefined && 'holds' in work ? [list, work.holds] : [list], problem: null }
  } catch (error) {
    if (error instanceof StoreError) return { lists: [], problem: error.message }
    throw error
  }
}

/** The list that the log says is in force, by the digest in its last entry about that; null: none of them is. */
export function agreedHolds({ lists }: HeldNow, digest: string | null): readonly LegalHold[] | null {
  return lists.find((list) => digestOf(list) === (digest ?? digestOf([]))) ?? null
}
