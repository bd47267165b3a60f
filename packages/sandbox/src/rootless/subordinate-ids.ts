// SPDX-License-Identifier: Apache-2.0
import { GATE_ID_BASE, SLOT_ID_BASE, SLOT_ID_DISTANCE } from '@sallyport/linux'
import { SandboxError } from '../sandbox-error.ts'

/** Ids of one job: system accounts and every user that a build adds; `nobody` (65534) is what the kernel shows for all others. */
export const IDS_OF_JOB = 4096
/** More than anybody runs at once, and well below the 340 lines that the kernel takes. */
const SLOTS_MAX = 64

export interface IdRange {
  readonly first: number
  readonly count: number
}

/** Who asks: by number, and by name where the system has one for it. */
export interface IdOwner {
  readonly id: number
  readonly name: string | null
}

type Kind = 'subuid' | 'subgid'

/**
 * The largest range that a line of /etc/subuid or /etc/subgid gives to the user (subuid(5)): `text` is the file, or null where there is none.
 *
 * @throws SandboxError SANDBOX_UNSUPPORTED, with the line that is missing.
 */
export function findSubordinateIds(kind: Kind, text: string | null, owner: IdOwner): IdRange {
  const lines = (text ?? '').split('\n').flatMap(parseLine)
  const own = lines.filter(({ who }) => isOwner(who, owner))
  const largest = own.toSorted((left, right) => right.count - left.count)[0]
  if (largest === undefined) throw missing(kind, owner, `/etc/${kind} has no line for ${describe(owner)}`)
  if (largest.count < IDS_OF_JOB + 1)
    throw missing(kind, owner, `/etc/${kind} gives ${describe(owner)} ${largest.count} ids, and one job takes ${IDS_OF_JOB + 1}`)
  assertNobodyElses(kind, largest, lines, owner)
  return { first: largest.first, count: largest.count }
}

interface Line extends IdRange {
  readonly who: string
}

function parseLine(line: string): Line[] {
  const [, who, first, count] = /^([^:#\s]+):(\d{1,10}):(\d{1,10})\s*$/.exec(line) ?? []
  return who === undefined ? [] : [{ who, first: Number(first), count: Number(count) }]
}

function isOwner(who: string, { id, name }: IdOwner): boolean {
  return who === String(id) || (name !== null && who === name)
}

/** Ids that somebody is, or may become, are no job's: a job would have that one's files. */
function assertNobodyElses(kind: Kind, range: IdRange, lines: readonly Line[], owner: IdOwner): void {
  const other = lines.find((line) => !isOwner(line.who, owner) && overlap(line, range))
  if (other !== undefined) {
    throw missing(
      kind,
      owner,
      `/etc/${kind} gives ids ${range.first} to ${range.first + range.count - 1} to ${describe(owner)} and some of them to "${other.who}"`,
    )
  }
  if (range.first < FIRST_ID_MIN || overlap({ first: owner.id, count: 1 }, range) || range.first + range.count > SLOT_ID_BASE)
    throw missing(
      kind,
      owner,
      `/etc/${kind} gives ${describe(owner)} ids from ${range.first}, which are those of accounts, of root's jobs or its own`,
    )
}

/** What distributions give to accounts: 0 to 65535. */
const FIRST_ID_MIN = 65_536

function overlap(left: IdRange, right: IdRange): boolean {
  return left.first < right.first + right.count && right.first < left.first + left.count
}

function describe({ id, name }: IdOwner): string {
  return name === null ? `user ${id}` : `"${name}"`
}

function missing(kind: Kind, owner: IdOwner, reason: string): SandboxError {
  const option = kind === 'subuid' ? '--add-subuids' : '--add-subgids'
  const who = owner.name ?? String(owner.id)
  return new SandboxError('SANDBOX_UNSUPPORTED', `Cannot build a sandbox without root: ${reason}`, {
    hint: `As root, once, with a range that is nobody else's: usermod ${option} 524288-589823 ${who} (or the line "${who}:524288:65536" in /etc/${kind}); sudo works without`,
    details: { missing: kind },
  })
}

/** Triples for newuidmap or newgidmap: the user is 0; each slot gets its ids where a keeper expects them, and its gate one behind all of them. */
export function mapOf(own: number, range: IdRange, slots: number): readonly number[] {
  const each = Array.from({ length: slots }, (_, slot) => slot)
  return [
    ...[0, own, 1],
    ...each.flatMap((slot) => [SLOT_ID_BASE + slot * SLOT_ID_DISTANCE, range.first + slot * IDS_OF_JOB, IDS_OF_JOB]),
    ...[GATE_ID_BASE, range.first + slots * IDS_OF_JOB, slots],
  ]
}

/** How many jobs can run at once. */
export function slotsOf(...ranges: readonly IdRange[]): number {
  return Math.min(SLOTS_MAX, ...ranges.map(({ count }) => Math.floor(count / (IDS_OF_JOB + 1))))
}
