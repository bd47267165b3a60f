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
  /** `run/ID`, `operator/ID`, `log`. */
  readonly source: string
  /** Of the entry; `journal` and `document` for those of a run. */
  readonly type: string
  readonly job: string | null
  readonly step: string | null
  readonly class: RetentionClass
  readonly bytes: number
  /**
   * `missing`: it is gone, and no entry says that it was erased. `unlogged`: a document that says that its run could not be logged to the end, though it was: nothing
   * in it can be compared.
   */
  readonly state: 'kept' | 'erased' | 'different' | 'unlogged' | 'missing'
}

/** A change of the key that signs the log. */
export interface RotatedKey extends Recorded {
  readonly origin: string
  /** Verifier keys. */
  readonly oldKey: string
  readonly newKey: string
  /** Of the tree that the old key signed last, and the new one first. */
  readonly size: number
  /** It had been begun before, and was finished now. */
  readonly wasUnfinished: boolean
}

export interface PreparedKey {
  readonly origin: string
  /** The key that signs now. */
  readonly key: string
  /** The one that the next rotation brings in. */
  readonly next: string
}

export interface LogKeyList {
  readonly origin: string
  /** The first comes first, the last one signs now. `lastSize`: its seal is of that size; null for the last one. */
  readonly keys: readonly { readonly key: string; readonly firstSize: number; readonly lastSize: number | null }[]
  /** The key that is prepared; null: none, or that is not to be told from here. */
  readonly next: string | null
  /** Why the step from one of them to the others is not signed by both; null: each is. */
  readonly problem: string | null
}

export interface KeyCommands {
  prepare(stateDirectory: string): Promise<PreparedKey>
  /** @throws AgentError AUDIT_KEY_UNWITNESSED: the key stays as it is, and the next one prepared */
  rotate(stateDirectory: string): Promise<RotatedKey>
  list(place: AuditPlace): Promise<LogKeyList>
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
  /** Everything of a run (null: of all) that lies beside the log, and its journal, compared with what the log says. */
  payloads(stateDirectory: string, run: string | null): AsyncIterable<CheckedPayload>
}
