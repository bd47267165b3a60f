// SPDX-License-Identifier: Apache-2.0
import { cleanMessage, cleanName } from '../clean-text.ts'
import type { HostCounts, HostItem, HostLog, HostRecord } from '../contract.ts'
import { Selection } from '../selection.ts'
import { type JournalEntry, parseJournalEntry } from './journal-entry.ts'
import { type JournalPosition, readJournalPosition } from './journal-position.ts'
import { findJournalctl, readJournal } from './journalctl.spawn.ts'
import { type ReadElsewhere, selectJournal, severityOf } from './select-journal.ts'

const ENTRIES_AT_A_TIME = 4096
/** For what came in a second. Whoever ends waits for it at most so long. */
const TIME_MS = 500
/** Somebody waits. */
const TIME_AT_THE_END_MS = 100

export interface JournalPlace {
  /** Where it is; null: where the host's own is. */
  readonly directory: string | null
  /** What journalctl may take each time. */
  readonly timeMs?: number
}

/** @throws Error in one clause when there is no journal here. */
export function openJournalLog(elsewhere: ReadElsewhere, place: JournalPlace = { directory: null }): HostLog {
  const program = findJournalctl()
  if (program === null) throw new Error('journalctl is not installed')
  const position = readPosition(place.directory)
  if (position === null) throw new Error('there is no journal: journald does not run here, or keeps none')
  return new JournalLog({ ...place, program, elsewhere }, position)
}

function readPosition(directory: string | null): JournalPosition | null {
  return directory === null ? readJournalPosition() : readJournalPosition([directory])
}

interface JournalParts extends JournalPlace {
  readonly program: string
  readonly elsewhere: ReadElsewhere
}

/** journalctl is only asked when the journal has grown: for most runs, never. */
class JournalLog implements HostLog {
  readonly place: string
  readonly #parts: JournalParts
  readonly #selection = new Selection()
  /** Of the last entry that was read. */
  #position: JournalPosition

  constructor(parts: JournalParts, position: JournalPosition) {
    this.place = parts.directory ?? 'journald'
    this.#parts = parts
    this.#position = position
  }

  get counts(): HostCounts {
    return this.#selection.counts
  }

  async read(isLast: boolean): Promise<readonly HostItem[]> {
    const tail = readPosition(this.#parts.directory)
    if (tail !== null && tail.id !== this.#position.id) this.#restart(tail)
    if (tail !== null && tail.number > this.#position.number) await this.#readTo(tail, isLast)
    return this.#selection.take()
  }

  /** Another journald, or one that has lost its files: what was in them in between is gone. */
  #restart(tail: JournalPosition): void {
    this.#selection.gap('truncated', null)
    this.#position = tail
  }

  async #readTo(tail: JournalPosition, isLast: boolean): Promise<void> {
    const timeMs = this.#parts.timeMs ?? (isLast ? TIME_AT_THE_END_MS : TIME_MS)
    let left = isLast ? Number.POSITIVE_INFINITY : ENTRIES_AT_A_TIME
    let isReadable = true
    try {
      for await (const line of readJournal({ ...this.#parts, after: this.#position, timeMs })) {
        this.#add(parseJournalEntry(line))
        left -= 1
        if (left <= 0) break
      }
    } catch {
      isReadable = false // The entries that it did not give are counted below.
    }
    const unread = tail.number - this.#position.number
    if (unread <= 0 || (isReadable && !isLast)) return
    this.#selection.gap('unread', unread)
    this.#position = tail
  }

  #add(entry: JournalEntry | null): void {
    if (entry === null) {
      this.#selection.drop('malformed', 1)
      return
    }
    const { id, number } = entry.position
    if (id === this.#position.id) {
      const missing = number - this.#position.number - 1
      if (missing > 0) this.#selection.gap('overwritten', missing)
      this.#position = entry.position
    }
    this.#selection.add(describe(entry, this.#parts.elsewhere))
  }

  close(): void {
    // Nothing is held between two readings.
  }
}

function describe(entry: JournalEntry, elsewhere: ReadElsewhere): HostRecord | null {
  const facts = selectJournal(entry, elsewhere)
  if (facts === null) return null
  const { at, position, field } = entry
  return {
    kind: 'record',
    ...facts,
    at: at.toISOString(),
    message: cleanMessage(field('MESSAGE')),
    by: cleanName(field('SYSLOG_IDENTIFIER') || field('_COMM') || field('_TRANSPORT')),
    number: position.number,
    severity: severityOf(entry),
  }
}
