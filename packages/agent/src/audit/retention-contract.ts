// SPDX-License-Identifier: Apache-2.0
// What `audit hold`, `retain`, `archive`, `erase` and `payload` ask of the agent. All but the last change the log of a state directory, and stand in it.
import type { ArchivedRange, LegalHold } from '@sallyport/store'
import type { AuditPlace, RetentionClass } from './contract.ts'

/** Where the log says so. */
export interface Recorded {
  /** Index of the entry. */
  readonly entry: number
  readonly notices: readonly string[]
}

export type HoldSelection = Pick<LegalHold, 'class' | 'since' | 'until' | 'reason'> & {
  /** Id, or its beginning; null: of any. */
  readonly run: string | null
}

export interface DueClass {
  readonly class: RetentionClass
  /** Runs, or other sources of entries. */
  readonly sources: number
  readonly bytes: number
}

export interface RetentionReport {
  /** The file that says how long what is kept; it need not be there. */
  readonly file: string
  /** Null: for ever. */
  readonly keepDays: Readonly<Record<RetentionClass, number | null>>
  /** What is over its time, and nobody holds. */
  readonly due: readonly DueClass[]
  /** Sources of which something is over its time, and held. */
  readonly held: number
  /** Entries that may go into an archive. */
  readonly archivable: ArchivedRange | null
  /** Where the log says that what was due is erased; empty unless that was asked for. */
  readonly entries: readonly number[]
  readonly notices: readonly string[]
}

export interface ArchiveRequest {
  /** Absolute; null: in the directory of the log. */
  readonly archive: string | null
  /** ISO 8601, takes the place of the file's period; null: as that says. */
  readonly before: string | null
}

export interface ArchiveReport {
  /** Null: nothing was due. */
  readonly made: (ArchivedRange & Recorded & { readonly archive: string }) | null
}

export interface ArchiveCheck {
  readonly archive: string
  /** Why it is not to be trusted; null: it is what was signed, and the rest says what that is. */
  readonly problem: string | null
  readonly range: ArchivedRange | null
  /** Of the checkpoint that it leads to. */
  readonly size: number | null
  /** Whether the log that is here now has grown from that checkpoint; null: there is none, or it cannot tell. */
  readonly inLog: boolean | null
}

export interface EraseReport extends Recorded {
  readonly run: string
  readonly classes: readonly RetentionClass[]
}

export interface CheckedPayload {
  readonly index: number
  readonly type: string
  readonly job: string | null
  readonly step: string | null
  readonly class: RetentionClass
  readonly bytes: number
  /** `missing`: it is gone, and no entry says that it was erased. */
  readonly state: 'kept' | 'erased' | 'different' | 'missing'
}

export interface RetentionCommands {
  holds(stateDirectory: string): Promise<readonly LegalHold[]>
  hold(stateDirectory: string, selection: HoldSelection): Promise<Recorded & { readonly hold: LegalHold }>
  release(stateDirectory: string, id: string, reason: string): Promise<Recorded & { readonly hold: LegalHold }>
  retain(stateDirectory: string, applies: boolean): Promise<RetentionReport>
  archive(stateDirectory: string, request: ArchiveRequest): Promise<ArchiveReport>
  verifyArchive(place: AuditPlace, archive: string): Promise<ArchiveCheck>
  /** `classes`: empty for all that can be erased. */
  erase(
    stateDirectory: string,
    run: string,
    request: { readonly classes: readonly RetentionClass[]; readonly reason: string },
  ): Promise<EraseReport>
  /** Everything of a run that lies beside the log, compared with what the log commits to. */
  payloads(stateDirectory: string, run: string): Promise<readonly CheckedPayload[]>
}
