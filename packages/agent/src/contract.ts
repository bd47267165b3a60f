// SPDX-License-Identifier: Apache-2.0
import type { DoorUse, Refusal, SecretDelivery } from '@sallyport/access'
import type { EventEnvelope, ExitCode } from '@sallyport/core'
import type { Conclusion } from '@sallyport/engine'
import type { Limits, SandboxCapabilities, SelfCheckResult, SourceChange, Weakness } from '@sallyport/sandbox'
import type { Finding } from '@sallyport/secret-watch'
import type { AccessCommands, EgressOptions } from './access/contract.ts'
import type { AuditCommands } from './audit/contract.ts'
import type { KeyCommands, RetentionCommands } from './audit/retention-contract.ts'
import type { ImageCommands } from './images/contract.ts'
import type { SecretsCommands } from './secrets/contract.ts'

/** `oci` means runc, or crun where runc is missing; a driver's own name asks for that one; `auto` for the strongest that this host can run. */
export type IsolationKind = 'oci' | 'runc' | 'crun' | 'gvisor' | 'auto'

export interface CommonOptions {
  /** State directory, absolute. */
  readonly stateDirectory: string
  /** Null where nothing was said: what the repository and the operator ask for, else `oci`. */
  readonly isolation: IsolationKind | null
  /** What the user set by `--limit`, over the defaults. */
  readonly limits: Partial<JobLimits>
  /** Values by upper-case name. */
  readonly secrets: Readonly<Record<string, string>>
  readonly egress: EgressOptions
  /** `--source`: what the checkout, or the copy, brings stays as it is. Null: the access file or the operator's may still ask for it. */
  readonly source: 'read-only' | null
  /** First abort: cancel and clean up, `always()` steps run. Second: kill and clean up. */
  readonly interrupt: { readonly soft: AbortSignal; readonly hard: AbortSignal }
}

/** The sandbox's limits, and those that Sallyport keeps itself. */
export interface JobLimits extends Limits {
  /** Of a whole job. */
  readonly timeMs: number
  /** Output of one job, all steps; what comes after is counted and dropped, and the step fails. */
  readonly outputBytes: number
}

export interface RunOptions extends CommonOptions {
  /** Root of the repository, absolute. */
  readonly repository: string
  /** Workflow files as the user named them, or empty: those in `.github/workflows` that the event triggers. */
  readonly files: readonly string[]
  readonly event: string
  /** Content of `--payload`, parsed; null for a minimal one made from the repository. */
  readonly payload: Readonly<Record<string, unknown>> | null
  readonly job: string | null
  readonly matrix: Readonly<Record<string, string>>
  readonly inputs: Readonly<Record<string, string>>
  readonly vars: Readonly<Record<string, string>>
  readonly env: Readonly<Record<string, string>>
  /** `--image LABEL=REFERENCE`: what `runs-on` labels mean, by lower-case label. */
  readonly images: Readonly<Record<string, string>>
  /** Jobs at a time. */
  readonly jobsMax: number
}

export interface ExecOptions extends CommonOptions {
  /** Copied into the sandbox, absolute. */
  readonly directory: string
  readonly argv: readonly string[]
  /** A reference; null: the host's own programs. */
  readonly image: string | null
  /**
   * An argument that names a regular file below this directory is copied in, for the step alone: how `shell: sallyport exec -- bash -e {0}`
   * gets its script. Null for none.
   */
  readonly scriptDirectory: string | null
  readonly env: Readonly<Record<string, string>>
  /** Paths relative to `directory` whose changes are kept. */
  readonly write: readonly string[]
  /** How secrets get to the command, by name; those that are not named here are in its environment. Their variable holds a path otherwise. */
  readonly deliver: Readonly<Record<string, 'file' | 'fd'>>
}

/**
 * Receives what happens while it happens, in order. Called synchronously; must not throw.
 * `output` is redacted; it is still hostile text (escape sequences, huge lines).
 */
export interface RunObserver {
  event(event: EventEnvelope): void
  output(job: string, step: string, bytes: Uint8Array): void
}

/** What `run --json` ends with and `runs show --json` prints; stable within a major version. */
export interface RunDocument {
  readonly id: string
  readonly conclusion: Conclusion
  readonly exitCode: ExitCode
  readonly startedAt: string
  readonly durationMs: number
  readonly workflows: readonly string[]
  readonly jobs: readonly JobDocument[]
  /** What its jobs were promised less than root's, each with how to get it; empty for root. */
  readonly weaker: readonly Weakness[]
  readonly doors: Doors
  readonly secrets: readonly {
    readonly name: string
    readonly job: string
    readonly step: string
    readonly delivery: SecretDelivery['kind']
  }[]
  /** What was published for jobs; `job` is the job's key. */
  readonly published: readonly PublishedArtifact[]
  readonly policy: readonly never[]
  /** Files of a read-only source that processes of jobs changed, at most 256. No change ends a run. */
  readonly sourceChanges: readonly RecordedSourceChange[]
  /** What somebody should look at. No finding changes how a run ends. */
  readonly findings: readonly Finding[]
  /** Limits that jobs ran into, and other refusals by name. */
  readonly refusals: readonly { readonly job: string; readonly step: string | null; readonly what: string; readonly detail: string }[]
  /** Why the run is not a success, when the reason is not a job's own failure. */
  readonly error: { readonly code: string; readonly message: string; readonly hint: string | null } | null
  /**
   * Indices of the run's first and last entry in the transparency log, and how many that had then; null: it could not be written. `unpublished`: why a
   * checkpoint that was to have all of it was not published. `salt`, base64: with it that last entry commits to the rest of the document (`audit payload`).
   */
  readonly log: {
    readonly origin: string
    readonly first: number
    readonly last: number
    readonly size: number
    readonly unpublished: string | null
    readonly salt: string
  } | null
}

/** `step`: whose process it was, or the one at whose end it was seen. */
export interface RecordedSourceChange extends Omit<SourceChange, 'step'> {
  readonly job: string
  readonly step: string
}

export interface PublishedArtifact {
  readonly job: string
  readonly name: string
  readonly to: string
  readonly bytes: number
  /** Hexadecimal, of what the job handed over. */
  readonly sha256: string
  /** Of an image: that of its manifest. */
  readonly digest: string | null
}

/** Every way out that was used, and every one that was refused. `job` is the job's key. */
export interface Doors {
  /** Nothing was blocked: `--egress observe`. */
  readonly observed: boolean
  readonly used: readonly (DoorUse & { readonly job: string; readonly step: string })[]
  readonly refused: readonly (Refusal & { readonly job: string; readonly step: string | null; readonly count: number })[]
}

export interface JobDocument {
  readonly id: string
  readonly key: string
  readonly name: string
  readonly matrix: Readonly<Record<string, unknown>> | null
  readonly conclusion: Conclusion
  readonly durationMs: number
  readonly outputs: Readonly<Record<string, string>>
  /** e.g. `host (Debian GNU/Linux 12)`, or `registry.example.test/tools:1@sha256:…`. */
  readonly image: string | null
  /** e.g. `oci (runc 1.1.5)`. */
  readonly isolation: string | null
  readonly selfCheck: { readonly passed: number; readonly failed: readonly string[] } | null
  readonly steps: readonly {
    readonly id: string
    readonly name: string
    readonly outcome: Conclusion
    readonly conclusion: Conclusion
    readonly durationMs: number
  }[]
}

export interface ExecResult {
  readonly id: string
  /** The command's own code, or 125. */
  readonly exitCode: number
  readonly error: { readonly code: string; readonly exitCode: ExitCode; readonly message: string; readonly hint: string | null } | null
  /** Changed files kept by `--write` and dropped otherwise. */
  readonly kept: number
  readonly dropped: number
  readonly refusals: RunDocument['refusals']
  readonly weaker: RunDocument['weaker']
  readonly doors: Doors
  readonly sourceChanges: RunDocument['sourceChanges']
  readonly durationMs: number
  readonly log: RunDocument['log']
}

/** For `--list` and `--dry-run`: nothing is started. */
export interface RunPreview {
  readonly workflows: readonly {
    readonly file: string
    readonly name: string
    readonly triggers: readonly string[]
    /** Whether `--event` triggers it; the reason when it does not. */
    readonly triggered: boolean
    readonly reason: string | null
    readonly notices: readonly string[]
    readonly jobs: readonly {
      readonly id: string
      readonly name: string
      readonly needs: readonly string[]
      /** One entry a matrix combination where it is static; null when it depends on outputs. */
      readonly matrix: readonly Readonly<Record<string, unknown>>[] | null
      readonly runsOn: string
      readonly image: string
      readonly steps: readonly { readonly name: string; readonly kind: string; readonly secrets: readonly string[] }[]
    }[]
  }[]
}

export interface DoctorReport {
  readonly host: {
    readonly os: string
    readonly kernel: string
    readonly arch: string
    readonly cgroup: 'v1' | 'v2' | 'hybrid'
    readonly node: string
  }
  readonly checks: readonly {
    readonly name: string
    readonly ok: boolean
    readonly required: boolean
    readonly found: string
    readonly fix: string | null
  }[]
  /** Each with the self-check of a sandbox of it that was really started; empty when none could be. */
  readonly drivers: readonly (SandboxCapabilities & { readonly guarantees: readonly SelfCheckResult[] })[]
  /** Of the driver that jobs get here without a word about it; empty when no sandbox of it could be started. */
  readonly guarantees: readonly SelfCheckResult[]
  /** What jobs get less without root; empty for root. */
  readonly weaker: readonly Weakness[]
}

/** One thing that `doctor --host` looked at. */
export interface HostFinding {
  /** Stays the same from check to check, e.g. `sysctl:kernel.kptr_restrict`. */
  readonly id: string
  readonly group: 'kernel settings' | 'kernel' | 'processor' | 'memory' | 'container runtimes' | 'files' | 'services' | 'network'
  readonly name: string
  /** `missing`: a wall leans on it; `warning`: worth doing; `unknown`: this host does not tell. */
  readonly state: 'ok' | 'warning' | 'missing' | 'unknown'
  readonly found: string
  /** An exact command, or the file and what to change; null when there is nothing to do. */
  readonly fix: string | null
}

export interface HostDrift {
  /** When the check before was. */
  readonly since: string
  /** Null: was not looked at then, or is not any more. */
  readonly changes: readonly { readonly id: string; readonly was: string | null; readonly is: string | null }[]
}

export interface HostReport {
  readonly findings: readonly HostFinding[]
  /** Null at the first check. */
  readonly drift: HostDrift | null
  /** Nothing is `missing`. */
  readonly hardened: boolean
}

/** A place that processes of Sallyport dial which are no gates. */
export interface EgressNeed {
  readonly who: string
  readonly host: string
  readonly port: number
  /** What is known of them without asking the network. */
  readonly addresses: readonly string[]
}

export interface EgressReport {
  readonly needs: readonly EgressNeed[]
  /** A drop-in of systemd that refuses all else. */
  readonly fragment: string
}

/**
 * Events beside the engine's reports (`EngineReport` in `@sallyport/engine`).
 *
 * | type | data |
 * |---|---|
 * | `run.started` | `{ workflows, event, repository, directory, commit, isolation, egress: 'enforce'\|'observe', policies }`; `policies`: SHA-256 of each workflow file, of what `sallyport.yml` asks for and of the operator's file, and the options that open doors |
 * | `run.notice` | `{ message, file, line }` |
 * | `job.preparing` | `{ name, runsOn, image, limits }` |
 * | `job.prepared` | `{ isolation, image, imageReference, imageDigest, prepareMs, selfCheckMs, passed, failed, weaker, warm, hostLogs }`; `warm`: its sandbox was made while an earlier job ran |
 * | `job.refused` | `{ code, message, hint }` |
 * | `job.disposed` | `{ durationMs }` |
 * | `step.annotation` | `{ level: 'error'|'warning'|'notice', message, title, file, line, endLine, column, endColumn }` |
 * | `step.log` | `{ file, from, to, piece, commitment, bytes, masked, dropped }` where the step's output lies in the record, and what commits to it |
 * | `exec.copying` | `{ directory }`, when the copy takes more than a second |
 * | `publish.offered` | `{ name, path, bytes, sha256 }`: what the supervisor took out of the sandbox |
 * | `publish.allowed` | `{ name, to, method, secret, sha256 }` |
 * | `publish.denied` | `{ name, to, code, reason, rule }` |
 * | `publish.done` | `{ name, to, status, bytes, sha256, digest }` |
 * | `publish.failed` | `{ name, to, failure, message, mayBeThere }` |
 * | `source.read-only` | `{ root, files, ended }`: from here on the source stays as it is; `ended`: processes of earlier steps that were killed for it |
 * | `source.changed` | `{ path, kinds, count, witness, at, processes }`, a `SourceChange`, once for each file and process of a step |
 * | `source.lost` | `{ overflows, more }`: changes that are not told one by one; or `{ message }`: the watch is gone |
 * | `limit.hit` | `{ limit, detail }` |
 * | `door.used` | `{ host, port, rule }`, the first connection of a step to a destination |
 * | `door.refused` | a `Refusal`, the first of its kind and target in a step |
 * | `door.alert` | `{ kind, detail, bytes }` |
 * | `door.closed` | a `DoorUse`, at the end of the step |
 * | `secret.finding` | `{ rule, severity, message, remedy }`, a `Finding` |
 * | `door.first-seen` | `{ host, port }`: no earlier run of this repository on this machine went there |
 */
export type AgentEventType =
  | 'run.started'
  | 'run.notice'
  | 'job.preparing'
  | 'job.prepared'
  | 'job.refused'
  | 'job.disposed'
  | 'step.annotation'
  | 'step.log'
  | 'exec.copying'
  | 'publish.offered'
  | 'publish.allowed'
  | 'publish.denied'
  | 'publish.done'
  | 'publish.failed'
  | 'source.read-only'
  | 'source.changed'
  | 'source.lost'
  | 'limit.hit'
  | 'door.used'
  | 'door.refused'
  | 'door.alert'
  | 'door.closed'
  | 'door.first-seen'
  | 'secret.finding'

/** The package's functions; the CLI uses nothing else of the agent. */
export interface Agent {
  /** Throws WorkflowError or AgentError before anything starts; afterwards every reason is in the document. */
  run(options: RunOptions, observer: RunObserver): Promise<RunDocument>
  preview(options: RunOptions): Promise<RunPreview>
  exec(options: ExecOptions, observer: RunObserver): Promise<ExecResult>
  doctor(stateDirectory: string): Promise<DoctorReport>
  /** `doctor --host`: how well the host itself is defended. Reads, and changes nothing but what it remembers in the state directory. */
  hardening(stateDirectory: string, operatorFile: string | null): Promise<HostReport>
  /** `doctor --host --egress`: where the supervisor itself dials to, by its configuration. */
  supervisorEgress(stateDirectory: string, operatorFile: string | null): Promise<EgressReport>
  /** `sallyport trust` and `sallyport access`. */
  readonly access: AccessCommands
  readonly audit: AuditCommands
  readonly images: ImageCommands
  /** What is kept of the log, and beside it. */
  readonly retention: RetentionCommands
  readonly keys: KeyCommands
  /** What was made for jobs at providers of secrets. */
  readonly secrets: SecretsCommands
}
