// SPDX-License-Identifier: Apache-2.0
import type { Ended, HookCall, HookResult, ManagerAuditCounts, ManagerFinding, RotationRecipe } from '@sallyport/secrets'

/** A session that a broker has noted at a provider and that has not ended: whatever is read in it ends with it. */
export interface SessionLease {
  readonly run: string
  /** `live`: its broker is at work, and ends it. `abandoned`: its broker was killed, and the next run ends it. */
  readonly state: 'live' | 'abandoned'
  readonly provider: string
  readonly job: string
  /** When it ends by itself, at the latest; ISO 8601. */
  readonly until: string
}

export interface ManagerAuditRequest {
  readonly operatorFile: string | null
  /** As the operator's file names it. */
  readonly provider: string
  /** Files, or directories of them, absolute, the oldest first. */
  readonly logs: readonly string[]
  /** The audit device that has written them, where it hashes what it writes. */
  readonly device: string
  /** ISO 8601; null: all of it. */
  readonly since: string | null
  /** Also what no job may read, and none ever did. */
  readonly all: boolean
  /** Whose reads are expected, as the manager knows them. */
  readonly known: readonly string[]
  /** Goes on until it is aborted; null: to the end of the logs. */
  readonly follow: AbortSignal | null
}

export interface ManagerAuditReport extends ManagerAuditCounts {
  readonly provider: string
  readonly files: number
  /** How far the logs reach, ISO 8601; null: they have no entry. */
  readonly from: string | null
  readonly to: string | null
  readonly findings: number
}

/** A secret at a manager. */
export interface ManagedSecret {
  /** As the operator's file names it. */
  readonly provider: string
  readonly path: string
  readonly field: string | null
}

export interface ManagedRotation {
  readonly operatorFile: string | null
  readonly secret: ManagedSecret
  /** Null: as the operator's file says, or as the manager does it. */
  readonly recipe: RotationRecipe | null
  /** Forget a rotation that has not ended. */
  readonly abandon: boolean
  /** What a hook has said; may hold the values, which are wiped afterwards. */
  readonly report: (call: HookCall, result: HookResult) => Promise<void>
}

export type ManagedOutcome = { readonly version: string | null; readonly isResumed: boolean } | { readonly abandoned: boolean }

/** A secret of the operator's `rotation`, as its manager has it now. */
export interface ScheduledSecret {
  /** `openbao:kv/ci/packages#token`. */
  readonly name: string
  readonly secret: ManagedSecret
  readonly everyMs: number
  readonly version: string | null
  /** ISO 8601; null: the manager does not tell, or could not be asked. */
  readonly since: string | null
  readonly overdue: boolean
  /** A rotation of it has begun here and has not ended. */
  readonly isPending: boolean
  /** Why nothing is known of it. */
  readonly error: string | null
}

export interface SecretsCommands {
  leases(stateDirectory: string): Promise<readonly SessionLease[]>
  /** Ends what is abandoned, with the providers of the operator's file; recorded in the transparency log. */
  sweep(stateDirectory: string, operatorFile: string | null): Promise<Ended>
  /** The manager's own audit log beside ours. Findings are on record in the transparency log before they are told. */
  auditManager(stateDirectory: string, request: ManagerAuditRequest, found: (finding: ManagerFinding) => void): Promise<ManagerAuditReport>
  /** Each step is on record in the transparency log before it is done. @throws SecretsError, AgentError SECRET_PROVIDER_UNKNOWN */
  rotateManaged(stateDirectory: string, request: ManagedRotation): Promise<ManagedOutcome>
  /** What the operator's file has a schedule for; empty without one. */
  scheduled(stateDirectory: string, operatorFile: string | null, nowMs: number): Promise<readonly ScheduledSecret[]>
}
