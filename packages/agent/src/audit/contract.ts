// SPDX-License-Identifier: Apache-2.0
import type { Finding, LogEntry, LogReport } from '@sallyport/audit-log'

/** Which log. */
export interface AuditPlace {
  /** State directory, absolute. */
  readonly stateDirectory: string
  /** A log somewhere else, absolute: the directory `audit` of a state directory, or a tree of tiles. Null: that of the state directory. */
  readonly directory: string | null
  /** A verifier key that is trusted, `NAME+ID+KEY`; null: those that the log's own signer has noted. */
  readonly key: string | null
}

export interface AuditReport {
  /** No failure among the findings. */
  readonly sound: boolean
  readonly directory: string
  readonly origin: string
  /** Of the checkpoint; null where there is none to read. */
  readonly size: number | null
  /** Base64. */
  readonly root: string | null
  /** The key that signs now. */
  readonly key: string
  /** Where the keys come from. */
  readonly trust: 'named' | 'remembered' | 'own'
  readonly entriesChecked: number
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
  readonly notices: readonly string[]
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

export interface AuditCommands {
  /** `remember`: a file with the last head that was found sound, which this one is compared with and then takes its place; null: none. */
  verify(place: AuditPlace, remember: string | null): Promise<AuditReport>
  /** `index`: of one entry of the run; null: of its last one, which commits to all of them. */
  prove(place: AuditPlace, run: string, index: number | null): Promise<AuditProof>
  show(place: AuditPlace, filter: AuditFilter): AsyncIterable<ShownEntry>
}
