// SPDX-License-Identifier: Apache-2.0
import { opendirSync } from 'node:fs'
import type { Commitment } from '@sallyport/audit-log'
import { ExitCode, formatDuration, messageOf, SallyportError } from '@sallyport/core'
import { createSecretSet, type SecretSet } from '@sallyport/redaction'
import { type PutEntry, type RunningStep, SANDBOX_PATHS, type Sandbox, type StepExit } from '@sallyport/sandbox'
import type { Finding } from '@sallyport/secret-watch'
import type { BrokerEvent } from '@sallyport/secrets'
import { commitToDocument, createRunStore, newRunId, type RunRecord } from '@sallyport/store'
import type { EffectiveAccess } from '../access/contract.ts'
import type { ChosenIsolation } from '../admit/isolation.ts'
import { HostSources } from '../audit/host-sources.ts'
import { RunLog } from '../audit/run-log.ts'
import type { LoggedRun } from '../audit/run-log-writer.ts'
import { directoryEntries } from '../collect/checkout.ts'
import { type Baseline, type ChangedFiles, findChanges, keepChanges, takeBaseline } from '../collect/kept-files.ts'
import { isOwnState } from '../collect/own-state.ts'
import type { ExecOptions, ExecResult, JobLimits, RunObserver } from '../contract.ts'
import { JobDoors } from '../gate/job-doors.ts'
import type { JobGate } from '../gate/job-gate.ts'
import { type PreparedSandbox, preparedFacts } from '../prepare/prepare-sandbox.ts'
import { protectSupervisor } from '../prepare/protect-supervisor.ts'
import { Weaker } from '../prepare/weaker.ts'
import { DoorRecord } from '../record/door-record.ts'
import { exitCodeOfError, Refusals } from '../record/refusals.ts'
import { limitsHit } from '../run/limits-hit.ts'
import { describeUnmasked, maskSecrets, type UnmaskedSecret } from '../run/mask-secrets.ts'
import { policiesOf } from '../run/policies.ts'
import { Recorder } from '../run/recorder.ts'
import { StepOutput } from '../run/step-output.ts'
import { HoneytokenWatch } from '../secrets/honeytoken-watch.ts'
import { Honeytokens } from '../secrets/honeytokens.ts'
import { sweepAbandoned } from '../secrets/sweep.ts'
import { JobSource, SourceRecord } from '../source/job-source.ts'
import { deliverSecrets } from './deliver-secrets.ts'
import { bringScripts } from './script-arguments.ts'
import { EXEC_WORKSPACE } from './workspace.ts'

const JOB = 'exec'
const STEP = '1'
/** After this long a person wonders what is happening. */
const COPY_PATIENCE_MS = 1000

type ExecFacts = Omit<ExecResult, 'log'>

export interface ExecRequest {
  readonly options: ExecOptions
  readonly observer: RunObserver
  readonly limits: JobLimits
  readonly access: EffectiveAccess
  readonly isolation: ChosenIsolation
  readonly gate: JobGate
}

/** Carries the command out in a sandbox that is on its way. */
export async function execute(request: ExecRequest, preparing: Promise<PreparedSandbox>): Promise<ExecResult> {
  const { options, observer, access } = request
  const runId = newRunId()
  const secrets = createSecretSet()
  using host = new HostSources({ runId, needs: access.hostLogs, secrets })
  host.prepare()
  const unmasked = maskSecrets(secrets, options.secrets)
  protectSupervisor(options.secrets)
  await using record = await openRecord(options.stateDirectory, runId, preparing)
  await using log = new RunLog(options.stateDirectory, runId, host)
  record.onEvent = (event) => {
    log.add(event)
    observer.event(event)
  }
  // Awaited here: the record closes with this scope.
  return await new Execution({ ...request, record, log, host, secrets, unmasked, runId }).run(preparing)
}

/** A sandbox without a record is not used: it goes again. */
async function openRecord(stateDirectory: string, runId: string, preparing: Promise<PreparedSandbox>): Promise<RunRecord> {
  try {
    return await createRunStore(stateDirectory).create(runId)
  } catch (error) {
    const prepared = await preparing.catch(() => null)
    await prepared?.sandbox[Symbol.asyncDispose]()
    throw error
  }
}

interface Parts extends ExecRequest {
  readonly record: RunRecord
  readonly log: RunLog
  readonly host: HostSources
  readonly secrets: SecretSet
  readonly unmasked: readonly UnmaskedSecret[]
  readonly runId: string
}

class Execution {
  readonly #parts: Parts
  readonly #recorder: Recorder
  readonly #refusals = new Refusals()
  readonly #record: DoorRecord
  readonly #doors: JobDoors
  readonly #start = performance.now()
  readonly #startedAt = new Date()
  readonly #honeytokens: HoneytokenWatch | null
  readonly #source: JobSource
  readonly #sources = new SourceRecord()
  #sweeping: Promise<void> = Promise.resolve()
  #ended: 'timed-out' | 'cancelled' | 'limit' | null = null
  #lost: string | null = null
  readonly #weaker = new Weaker((message) => this.#report('run.notice', { message, file: null, line: null }))

  constructor(parts: Parts) {
    this.#parts = parts
    this.#recorder = new Recorder(parts.record, parts.secrets, parts.log)
    this.#record = new DoorRecord(parts.access.observes)
    const tell = ({ rule, severity, message, remedy }: Finding): void =>
      this.#report('secret.finding', { rule, severity, message, remedy }, STEP)
    // As for jobs: where no secret is, there is nothing that a thief would be after.
    const isWorthIt = Object.keys(parts.options.secrets).length > 0
    this.#honeytokens = isWorthIt ? new HoneytokenWatch(new Honeytokens(parts.secrets), { job: JOB, tell }) : null
    this.#doors = new JobDoors(parts.gate, {
      job: JOB,
      record: this.#record,
      refusals: this.#refusals,
      secrets: parts.secrets,
      // A directory in which somebody runs commands has no history of its own.
      seen: null,
      trap: this.#honeytokens?.trap ?? null,
      report: (type, data, step) => this.#report(type, data, step),
    })
    this.#source = new JobSource({
      job: JOB,
      isReadOnly: parts.options.source !== null || parts.access.keepsSource(JOB),
      root: EXEC_WORKSPACE,
      changes: this.#sources,
      report: (type, data, step) => this.#report(type, data, step),
    })
    for (const secret of parts.unmasked) this.#refusals.add({ job: JOB, step: null, what: 'masking', detail: describeUnmasked(secret) })
  }

  async run(preparing: Promise<PreparedSandbox>): Promise<ExecResult> {
    const { options, log, access, isolation } = this.#parts
    log.onQuorumMissed = (message) => this.#report('run.notice', { message, file: null, line: null })
    this.#report('run.started', {
      workflows: [],
      event: 'exec',
      repository: options.directory,
      commit: '',
      argv: options.argv,
      isolation: isolation.name,
      egress: options.egress.mode,
      policies: policiesOf({ options, access, workflows: {} }),
    })
    for (const message of [...access.notices, ...(isolation.notice === null ? [] : [isolation.notice])])
      this.#report('run.notice', { message, file: null, line: null })
    let prepared: PreparedSandbox | null = null
    this.#sweeping = this.#sweep()
    try {
      prepared = await preparing
      return await this.#finish(await this.#inSandbox(prepared), prepared)
    } catch (error) {
      if (options.interrupt.soft.aborted) this.#ended ??= 'cancelled'
      return await this.#finish({ exit: null, error, changes: null }, prepared)
    }
  }

  /** As a run does: short commands could follow each other for ever. Never rejects: what was not ended is told, and tried again by the next. */
  async #sweep(): Promise<void> {
    const { options, access, runId } = this.#parts
    try {
      const event = ({ kind, ...data }: BrokerEvent): void => this.#report(`secret.${kind}`, data)
      const ended = await sweepAbandoned({ stateDirectory: options.stateDirectory, operator: access.files.operator, run: runId, event })
      if (ended !== null) this.#report('secret.swept', { ...ended })
    } catch (error) {
      this.#report('secret.not-swept', { message: messageOf(error) })
    }
  }

  async #inSandbox(prepared: PreparedSandbox): Promise<Outcome> {
    const { options, limits } = this.#parts
    const { sandbox } = prepared
    this.#weaker.tell(prepared.weaknesses)
    this.#report('job.prepared', { ...preparedFacts(prepared), hostLogs: await this.#parts.host.watch(JOB, sandbox.hostIdentity) })
    await this.#source.prepared(sandbox)
    await this.#honeytokens?.plant(sandbox)
    await this.#source.bringing(sandbox)
    const baseline = await this.#copyIn(sandbox)
    options.interrupt.soft.throwIfAborted()
    await this.#source.beforeStep(sandbox, STEP)
    const exit = await this.#execute(prepared)
    const changes = await findChanges(sandbox, EXEC_WORKSPACE, baseline, options.write)
    if (options.write.length > 0)
      await keepChanges(sandbox, EXEC_WORKSPACE, { directory: options.directory, kept: changes.kept, bytesMax: limits.diskBytes })
    return { exit, error: null, changes }
  }

  async #copyIn(sandbox: Sandbox): Promise<Baseline> {
    const { directory, stateDirectory } = this.#parts.options
    if (isEmpty(directory)) return new Map()
    const progress = setTimeout(() => this.#report('exec.copying', { directory }), COPY_PATIENCE_MS)
    try {
      await sandbox.putFiles(EXEC_WORKSPACE, this.#interruptible(directoryEntries(directory, '', isOwnState(directory, stateDirectory))))
      return await takeBaseline(sandbox, EXEC_WORKSPACE)
    } finally {
      clearTimeout(progress)
    }
  }

  async *#interruptible(entries: AsyncIterable<PutEntry>): AsyncGenerator<PutEntry> {
    for await (const entry of entries) {
      this.#parts.options.interrupt.soft.throwIfAborted()
      yield entry
    }
  }

  async #execute(prepared: PreparedSandbox): Promise<StepExit> {
    const { options, access } = this.#parts
    this.#report('step.started', { name: options.argv.join(' '), number: 1, secrets: Object.keys(options.secrets) }, STEP)
    const scripts = bringScripts(options.argv, options.scriptDirectory)
    const delivered = deliverSecrets(options)
    try {
      // No secret is handed over before its hand-over is on record.
      const [network] = await Promise.all([this.#doors.open(STEP, access.setsFor(JOB, null)), this.#recorder.handOver()])
      const running = await prepared.sandbox.startStep({
        id: STEP,
        argv: scripts.argv,
        env: {
          PATH: PATH_DEFAULT,
          ...prepared.jobImage.facts.env,
          HOME: SANDBOX_PATHS.home,
          CI: 'true',
          SALLYPORT: 'true',
          ...prepared.trust,
          ...options.env,
          ...delivered.env,
        },
        workingDirectory: EXEC_WORKSPACE,
        files: [...scripts.files, ...delivered.files],
        collect: [],
        collectBytesMax: 0,
        network,
      })
      // Beside the command: at its end nobody waits for what it loads.
      this.#parts.log.prepare()
      return await this.#follow(running, prepared)
    } finally {
      // Of a command that was not started, or could not be followed to its end.
      await this.#doors.close(STEP, null)
    }
  }

  async #follow(running: RunningStep, prepared: PreparedSandbox): Promise<StepExit> {
    const { options, limits } = this.#parts
    const { interrupt } = options
    let runs = true
    void prepared.lost.then((reason) => {
      // Our own disposal of it comes later.
      if (runs) this.#lose(reason, running)
    })
    const cancel = (): void => this.#end('cancelled', running)
    interrupt.soft.addEventListener('abort', cancel, { once: true })
    if (interrupt.soft.aborted) cancel()
    const timer = setTimeout(() => this.#end('timed-out', running), Math.min(limits.timeMs, 2 ** 31 - 1))
    try {
      const exit = await this.#pipe(running, prepared.lost)
      // At once: what comes next may fail for the same reason.
      this.#tellLimits(exit)
      // What the command left running would change files while they are compared, and may hold every pid that we need for it.
      const unwatched = await this.#source.afterStep(prepared.sandbox, STEP, () => running.kill())
      if (unwatched !== null) this.#lost ??= unwatched
      return exit
    } finally {
      runs = false
      clearTimeout(timer)
      interrupt.soft.removeEventListener('abort', cancel)
    }
  }

  #lose(reason: string, running: RunningStep): void {
    this.#lost ??= reason
    void running.kill()
  }

  #end(reason: 'timed-out' | 'cancelled' | 'limit', running: RunningStep): void {
    this.#ended ??= reason
    void running.kill()
  }

  /** The log is complete once the doors are shut: what was refused last stands in it too. */
  async #pipe(running: RunningStep, lost: Promise<string>): Promise<StepExit> {
    const { observer, record, secrets, limits } = this.#parts
    await using log = await record.openLog(JOB)
    const piece = log.beginPiece()
    const output = new StepOutput({
      secrets,
      log,
      budget: { left: limits.outputBytes },
      print: (bytes) => observer.output(JOB, STEP, bytes),
      annotate: () => undefined,
      command: () => undefined,
      refuse: (what, detail) => this.#refusals.add({ job: JOB, step: STEP, what, detail }),
      overflow: () => {
        this.#refusals.add({ job: JOB, step: STEP, what: 'output limit', detail: `more than ${limits.outputBytes} bytes` })
        this.#end('limit', running)
      },
      commands: false,
    })
    this.#doors.note = (text) => output.note(text)
    try {
      const totals = await output.consume(this.#honeytokens?.watched(STEP, running.output) ?? running.output)
      const exit = await running.exit
      if (!(await this.#doors.close(STEP, exit))) this.#lost ??= await lost
      await output.settle()
      this.#report('step.log', { ...(await piece.end()), ...totals }, STEP)
      return exit
    } finally {
      this.#doors.note = null
    }
  }

  /** The record is written while the sandbox goes. */
  async #finish(outcome: Outcome, prepared: PreparedSandbox | null): Promise<ExecResult> {
    const error = this.#error(outcome)
    await this.#parts.host.unwatch(JOB)
    const disposed = prepared?.sandbox.disposeInBackground()
    const { record, runId } = this.#parts
    const { exit } = outcome
    await this.#sweeping
    const durationMs = Math.round(performance.now() - this.#start)
    this.#report('run.finished', { conclusion: conclusionOf(exitCodeOf(exit, error)), durationMs })
    const facts: ExecFacts = {
      id: runId,
      exitCode: exitCodeOf(exit, error),
      error,
      kept: outcome.changes?.kept.length ?? 0,
      dropped: outcome.changes?.dropped ?? 0,
      refusals: this.#refusals.refusals,
      weaker: this.#weaker.list,
      doors: this.#record.doors,
      // Command lines may hold a secret.
      sourceChanges: this.#recorder.redact(this.#sources.changes) as ExecResult['sourceChanges'],
      durationMs,
    }
    const document = this.#documentOf(facts)
    const { commitment, salt } = commitToDocument(document)
    const [{ log, unlogged }] = await Promise.all([this.#closeLog(commitment), this.#recorder.settle()])
    const ended = unlogged === null ? facts : { ...facts, exitCode: exitCodeOf(exit, error ?? unlogged), error: error ?? unlogged }
    const place = log === null ? null : { ...log, salt }
    await record.finish({ ...(unlogged === null ? document : this.#documentOf(ended)), log: place })
    await disposed
    await prepared?.jobImage[Symbol.asyncDispose]()
    return { ...ended, log: place }
  }

  /** Redacted. */
  #documentOf(facts: ExecFacts): object {
    const more = { conclusion: conclusionOf(facts.exitCode), startedAt: this.#startedAt.toISOString(), workflows: ['exec'], jobs: [] }
    return this.#recorder.redact({ ...facts, ...more }) as object
  }

  #tellLimits(exit: StepExit): void {
    for (const { limit, detail } of limitsHit(exit, this.#parts.limits)) {
      this.#report('limit.hit', { limit, detail }, STEP)
      this.#refusals.add({ job: JOB, step: STEP, what: `${limit} limit`, detail })
    }
  }

  /** What ran and could not be written to the log did not end well. */
  async #closeLog(document: Commitment): Promise<{ readonly log: LoggedRun | null; readonly unlogged: ExecResult['error'] }> {
    try {
      return { log: this.#recorder.redact(await this.#parts.log.close(document)) as LoggedRun, unlogged: null }
    } catch (error) {
      return { log: null, unlogged: describeError(error) }
    }
  }

  #error(outcome: Outcome): ExecResult['error'] {
    const { limits } = this.#parts
    if (this.#ended === 'cancelled') return { code: 'INTERRUPTED', exitCode: ExitCode.interrupted, message: 'interrupted', hint: null }
    if (this.#ended === 'timed-out')
      return {
        code: 'TIME_LIMIT',
        exitCode: ExitCode.jobFailed,
        message: `time limit reached: the command ran longer than ${formatDuration(limits.timeMs)}`,
        hint: 'Raise it with --limit time=1h',
      }
    if (this.#ended === 'limit')
      return {
        code: 'OUTPUT_LIMIT',
        exitCode: ExitCode.jobFailed,
        message: `output limit reached: the command printed more than ${limits.outputBytes} bytes`,
        hint: 'Raise it with --limit output=10GiB',
      }
    if (this.#lost !== null)
      return { code: 'SANDBOX_LOST', exitCode: ExitCode.internal, message: `the sandbox is lost: ${this.#lost}`, hint: 'Run it again' }
    if (outcome.exit?.kind === 'failed-to-start') {
      return {
        code: 'COMMAND_NOT_STARTED',
        exitCode: ExitCode.badInput,
        message: outcome.exit.message ?? 'the command did not start',
        hint: null,
      }
    }
    return outcome.error === null ? null : describeError(outcome.error)
  }

  #report(type: string, data: Readonly<Record<string, unknown>>, step?: string): void {
    this.#recorder.add({ type, job: JOB, ...(step === undefined ? {} : { step }), data })
  }
}

function describeError(thrown: unknown): ExecResult['error'] {
  const known = thrown instanceof SallyportError ? thrown : null
  return { code: known?.code ?? 'INTERNAL', exitCode: exitCodeOfError(thrown), message: messageOf(thrown), hint: known?.hint ?? null }
}

function exitCodeOf(exit: StepExit | null, error: ExecResult['error']): number {
  if (error !== null || exit === null) return ExitCode.execRefused
  return exit.kind === 'signalled' ? 128 + exit.code : exit.code
}

function conclusionOf(exitCode: number): 'success' | 'failure' {
  return exitCode === 0 ? 'success' : 'failure'
}

function isEmpty(directory: string): boolean {
  using entries = opendirSync(directory)
  return entries.readSync() === null
}

interface Outcome {
  readonly exit: StepExit | null
  readonly error: unknown
  readonly changes: ChangedFiles | null
}

const PATH_DEFAULT = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
