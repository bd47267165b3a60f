// SPDX-License-Identifier: Apache-2.0
import type { Finding, LogEntry, LogReport } from '@sallyport/audit-log'

/**
 * What is kept for its own time: who called; what steps printed; the record of a run, with the events that are too large for an entry; the
 * entries of the log themselves.
 */
export type RetentionClass = 'caller' | 'output' | 'record' | 'entry'

/** Which log. */
export interface AuditPlace {
  /** State directory, absolute. */
  readonly stateDirectory: string
  /** A log somewhere else, absolute: the directory `audit` of a state directory, or a tree of tiles. Null: that of the state directory. */
  readonly directory: string | null
  /** A verifier key that is trusted, `NAME+ID+KEY`; null: those that the log's own signer has noted. */
  readonly key: string | null
}

export interface VerifyOptions {
  /** A file with the last head that was found sound, which this one is compared with and then takes its place; null: none. */
  readonly remember: string | null
  /** A file, C2SP tlog-policy, with the witnesses that are asked for, and with keys of logs to trust. Null: the policy that the state directory publishes by. */
  readonly policy: string | null
  /** How old the log's last sign of life may be. Null: a day where there are witnesses, else as old as it is. */
  readonly freshnessS: number | null
  /** Where archives of pruned parts are; null: beside the log. */
  readonly archives: string | null
}

export interface AuditReport {
  /** No failure among the findings. */
  readonly sound: boolean
  readonly directory: string
  readonly origin: string
  /** Of the checkpoint; null where there is none. */
  readonly size: number | null
  /** Base64. */
  readonly root: string | null
  /** The key that signs now; null where nothing was ever signed. */
  readonly key: string | null
  /** Each change of it, the first one first; the key before has signed that the next one may come. */
  readonly keyChanges: readonly { readonly size: number; readonly from: string; readonly to: string }[]
  /** Where the keys come from. */
  readonly trust: 'named' | 'policy' | 'remembered' | 'own'
  /** Whose cosignatures were asked for; null: nobody but the log's own host vouches for it. */
  readonly policy: { readonly path: string; readonly quorum: string; readonly freshnessS: number } | null
  /** Those of the policy that have cosigned the checkpoint, and when (ISO 8601). */
  readonly witnesses: readonly { readonly name: string; readonly at: string }[]
  /** Entries before this one were pruned, and no archive of them was found. */
  readonly minimumIndex: number
  readonly archives: readonly { readonly path: string; readonly first: number; readonly end: number }[]
  /** Entries that a checkpoint covers. */
  readonly entriesChecked: number
  /** How many of those were durable and had no checkpoint before this check, which made one. */
  readonly publishedNow: number
  /** How many are durable, were checked, and have no checkpoint. */
  readonly unpublished: number
  /** Runs of the state directory whose records were compared with their entries. */
  readonly runsCompared: number
  readonly manipulation: LogReport['manipulation']
  readonly firstWrong: LogReport['firstWrong']
  readonly findings: readonly Finding[]
  /** Runs without an end in the log. */
  readonly openRuns: readonly { readonly run: string; readonly state: 'running' | 'cut-off' | 'ended-elsewhere' | 'unknown' }[]
  readonly notices: readonly string[]
}

export interface AuditProof {
  /** A `.tlog-proof` with the entry in it. */
  readonly proof: string
  readonly run: string
  readonly index: number
  readonly size: number
  readonly entry: LogEntry
  readonly key: string
}

/** What has to fit; null: whatever it is. */
export interface AuditFilter {
  /** Id, or its beginning. */
  readonly run: string | null
  readonly job: string | null
  readonly type: string | null
  /** ISO 8601, or a beginning of it. */
  readonly since: string | null
  readonly until: string | null
  /** Name of a secret that was handed over. */
  readonly secret: string | null
  /** Destination that was reached or refused. */
  readonly host: string | null
  /** Who called. */
  readonly actor: string | null
}

export interface ShownEntry {
  readonly index: number
  readonly entry: LogEntry
}

export interface PublishedLog {
  readonly origin: string
  readonly size: number
  /** The key that signs now. */
  readonly key: string
  /** Names of those who have cosigned, in the policy's words; null: the policy asks for none. */
  readonly witnesses: readonly string[] | null
}

/** What somebody does at the command line, as a source of its own in the log. One without an end was cut off. Calls must not overlap. */
export interface OperatorLog {
  /** Resolves when it is in the log, for good: what must not happen unrecorded waits for it. Names, never values. @throws AgentError AUDIT_LOG_UNWRITABLE */
  record(type: string, data: Readonly<Record<string, unknown>>): Promise<void>
  close(): Promise<void>
}

export interface AuditCommands {
  operatorLog(stateDirectory: string): Promise<OperatorLog>
  /** All that is durable; the same tree with new cosignatures where there is nothing new. Rejects when too few witnesses cosign. */
  publish(stateDirectory: string): Promise<PublishedLog>
  verify(place: AuditPlace, options: VerifyOptions): Promise<AuditReport>
  /** `index`: of one entry of the run; null: of its last one, which commits to all of them. */
  prove(place: AuditPlace, run: string, index: number | null): Promise<AuditProof>
  show(place: AuditPlace, filter: AuditFilter): AsyncIterable<ShownEntry>
}
