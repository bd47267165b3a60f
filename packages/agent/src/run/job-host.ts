// SPDX-License-Identifier: Apache-2.0

import { createHash } from 'node:crypto'
import { posix } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { messageOf, SallyportError } from '@sallyport/core'
import {
  type EngineCommand,
  type EngineEvent,
  type JobInstance,
  type ProcessEnd,
  STEP_FILES,
  type StepFileContents,
  type StepProcess,
} from '@sallyport/engine'
import type { SecretSet } from '@sallyport/redaction'
import { type RunningStep, SANDBOX_PATHS, type Sandbox, type StepExit } from '@sallyport/sandbox'
import type { Finding } from '@sallyport/secret-watch'
import { SecretsError } from '@sallyport/secrets'
import { type LogWriter, type RunRecord, StoreError } from '@sallyport/store'
import type { EffectiveAccess } from '../access/contract.ts'
import type { ChosenIsolation } from '../admit/isolation.ts'
import { assertRunsHere } from '../admit/runs-on.ts'
import { AgentError, type AgentErrorCode } from '../agent-error.ts'
import type { HostSources } from '../audit/host-sources.ts'
import type { RunLog } from '../audit/run-log.ts'
import { checkout } from '../collect/checkout.ts'
import { hashFiles } from '../collect/hash-files.ts'
import { loadAction } from '../collect/load-action.ts'
import type { JobLimits, RunObserver } from '../contract.ts'
import { JobDoors } from '../gate/job-doors.ts'
import { JobGate } from '../gate/job-gate.ts'
import type { SeenDestinations } from '../gate/seen-destinations.ts'
import { type ClaimFacts, jobClaims } from '../identity/job-claims.ts'
import { JobTokens } from '../identity/job-tokens.ts'
import type { RunIdentity } from '../identity/run-identity.ts'
import type { JobImage } from '../images/job-image.ts'
import type { JobImages } from '../images/job-images.ts'
import { type WantedImage, wantedImage } from '../images/wanted-image.ts'
import { isMissingGuarantee, type PreparedSandbox, type PrepareInput, preparedFacts, prepareSandbox } from '../prepare/prepare-sandbox.ts'
import type { WarmClass, WarmPool } from '../prepare/warm-pool.ts'
import type { Weaker } from '../prepare/weaker.ts'
import { JobPublisher } from '../publish/job-publisher.ts'
import type { RunPublishing } from '../publish/run-publishing.ts'
import type { DoorRecord } from '../record/door-record.ts'
import type { Refusals } from '../record/refusals.ts'
import { HoneytokenWatch } from '../secrets/honeytoken-watch.ts'
import { Honeytokens } from '../secrets/honeytokens.ts'
import { JobSecrets } from '../secrets/job-secrets.ts'
import type { RunSecrets } from '../secrets/run-secrets.ts'
import type { SecretWatch } from '../secrets/secret-watch.ts'
import { JobSource, type SourceRecord } from '../source/job-source.ts'
import { limitsHit } from './limits-hit.ts'
import type { Recorder } from './recorder.ts'
import { stepIdOf } from './step-id.ts'
import { StepOutput } from './step-output.ts'

/** What all jobs of a run share. */
export interface RunShared extends ClaimFacts {
  readonly chosen: ChosenIsolation
  readonly access: EffectiveAccess
  readonly workspace: string
  readonly eventJson: string
  readonly stateDirectory: string
  readonly limits: JobLimits
  readonly askedLimits: PrepareInput['askedLimits']
  readonly weaker: Weaker
  readonly secrets: SecretSet
  readonly runSecrets: RunSecrets
  readonly runIdentity: RunIdentity
  readonly images: JobImages
  /** `--image`. */
  readonly imageOptions: Readonly<Record<string, string>>
  readonly publishing: RunPublishing
  readonly watch: SecretWatch
  readonly record: RunRecord
  readonly log: RunLog
  readonly host: HostSources
  readonly recorder: Recorder
  readonly observer: RunObserver
  readonly refusals: Refusals
  readonly doors: DoorRecord
  /** `--source`. */
  readonly source: 'read-only' | null
  readonly sources: SourceRecord
  readonly seen: SeenDestinations
  /** Of the whole run. */
  readonly pool: WarmPool
  /** Aborted by the second Ctrl-C: everything is ended at once. */
  readonly hardStop: AbortSignal
}

/** GitHub's limits for environment files are 1 MiB a value and 50 MiB a job; one file of a step may hold a good part of it. */
const STEP_FILE_BYTES_MAX = 16 << 20

/** Errors of a hand-over that could not be put on record as it has to be. */
const UNRECORDED: readonly AgentErrorCode[] = ['AUDIT_LOG_UNWRITABLE', 'AUDIT_POLICY_INVALID', 'LEASE_UNWITNESSED']

type StartJob = Extract<EngineCommand, { type: 'start-job' }>
type JobCommand = Exclude<EngineCommand, { type: 'report' | 'start-job' }>

/** One job's sandbox, and the carrying out of what the engine wants done in it. */
export class JobHost {
  readonly job: JobInstance
  readonly #shared: RunShared
  readonly #container: StartJob['container']
  readonly #emit: (event: EngineEvent) => void
  readonly #budget: { left: number }
  readonly #gate: JobGate
  readonly #doors: JobDoors
  readonly #secrets: JobSecrets
  readonly #tokens: JobTokens
  readonly #publisher: JobPublisher
  readonly #honeytokens: HoneytokenWatch | null
  readonly #source: JobSource
  #prepared: PreparedSandbox | null = null
  #log: LogWriter | null = null
  #running: RunningStep | null = null
  readonly #stepBegan = Promise.withResolvers<unknown>()
  /** Settles when the last step that was begun is recorded. */
  #recorded: Promise<unknown> = Promise.resolve()
  #cancelled = false
  readonly #preparation = new AbortController()
  #timer: NodeJS.Timeout | null = null

  constructor({ job, container }: StartJob, shared: RunShared, emit: (event: EngineEvent) => void) {
    this.job = job
    this.#container = container
    this.#shared = shared
    this.#emit = emit
    this.#budget = { left: shared.limits.outputBytes }
    this.#gate = new JobGate(shared.access)
    const watch = { job: job.key, tell: (finding: Finding) => shared.watch.add(finding) }
    this.#honeytokens = shared.runSecrets.reaches(job.id) ? new HoneytokenWatch(new Honeytokens(shared.secrets), watch) : null
    this.#doors = new JobDoors(this.#gate, {
      ...shared,
      job: job.key,
      record: shared.doors,
      trap: this.#honeytokens?.trap ?? null,
      report: (type, data, step) => this.#report(type, data, step),
    })
    this.#tokens = new JobTokens(shared.runIdentity, {
      id: job.id,
      identityOf: (step) => jobClaims(shared, job.id, step, this.#prepared),
      report: (type, data, step) => this.#report(type, data, step),
      refuse: (step, detail) => shared.refusals.add({ job: job.key, step, what: 'identity', detail }),
      substitute: (source, substitution) => this.#gate.substitute(source, substitution),
      recorded: () => shared.recorder.handOver(),
    })
    this.#gate.answerTokens((question, source) => this.#tokens.answer(question, source))
    this.#secrets = new JobSecrets(shared.runSecrets, {
      key: job.key,
      id: job.id,
      identity: { run: shared.runId, job: job.id, repository: shared.repository.slug, ref: shared.repository.ref },
      ttlMs: Math.min(job.timeoutMs, shared.limits.timeMs),
      report: (type, data, step) => this.#report(type, data, step === '' ? undefined : step),
      tokenFor: (provider, step) => this.#tokens.forProvider(provider, { step, id: stepIdOf(shared.plan, job.id, step) ?? step }),
      refuse: (step, detail) => shared.refusals.add({ job: job.key, step, what: 'secret', detail }),
      recorded: () => shared.recorder.handOver(),
    })
    this.#source = new JobSource({
      job: job.key,
      isReadOnly: shared.source !== null || shared.access.keepsSource(job.id),
      root: shared.workspace,
      changes: shared.sources,
      report: (type, data, step) => this.#report(type, data, step),
    })
    this.#publisher = new JobPublisher({
      job,
      policy: shared.publishing,
      workspace: shared.workspace,
      stateDirectory: shared.stateDirectory,
      sandbox: () => this.#sandbox,
      secrets: this.#secrets,
      report: (type, data) => this.#report(type, data),
      recorded: () => shared.recorder.handOver(),
    })
  }

  /** What its steps were granted, and how. */
  get handed(): JobSecrets['handed'] {
    return this.#secrets.handed
  }

  get published(): JobPublisher['published'] {
    return this.#publisher.published
  }

  get prepared(): PreparedSandbox | null {
    return this.#prepared
  }

  /** What its sandbox is made of, whatever the job is. */
  get #class(): WarmClass {
    const { stateDirectory, chosen, limits, askedLimits, workspace, access } = this.#shared
    const { gate, bytesOutMax } = access
    return { stateDirectory, isolation: chosen, limits, askedLimits, directories: jobDirectories(workspace), access: { gate, bytesOutMax } }
  }

  /** Resolves when the first process of its steps runs, or could not be started. A job without any, or that was refused, leaves it pending. */
  get stepBegan(): Promise<unknown> {
    return this.#stepBegan.promise
  }

  /** Has a sandbox like its own wait for the next job. */
  warmNext(): void {
    if (this.#prepared !== null) this.#shared.pool.fill(this.#class, this.#prepared.jobImage, 1)
  }

  /** Builds the sandbox and answers `job-started` or `job-refused`. */
  async start(): Promise<void> {
    const { job } = this
    try {
      assertRunsHere(job.runsOn)
      const wanted = this.#wantedImage()
      this.#report('job.preparing', {
        name: job.name,
        runsOn: job.runsOn,
        image: wanted.kind === 'host' ? 'host' : wanted.reference,
        credentials: this.#container?.secrets ?? [],
        limits: this.#shared.limits,
      })
      const { facts } = await this.#prepare(wanted)
      const trust = this.#prepared?.trust ?? {}
      this.#emit({ type: 'job-started', job: job.key, image: { ...facts, env: { ...facts.env, ...trust } } })
    } catch (error) {
      await this.#dispose()
      this.#refuse(error)
    }
  }

  #wantedImage(): WantedImage {
    const { access, imageOptions } = this.#shared
    return wantedImage({
      container: this.#container,
      runsOn: this.job.runsOn,
      options: imageOptions,
      request: access.files.request?.image ?? null,
      labels: access.images.labels,
    })
  }

  async #prepare(wanted: WantedImage): Promise<JobImage> {
    const { job } = this
    const shared = this.#shared
    const signal = AbortSignal.any([shared.hardStop, this.#preparation.signal])
    // Not while a sandbox that has begun waits: a transfer may take minutes.
    const image = await shared.images.resolve({
      wanted,
      sets: shared.access.setsFor(job.id, null),
      signal,
      onProgress: (message) => this.#report('job.image', { message }),
    })
    const sandboxClass = this.#class
    const claimed = shared.pool.claim({ wanted: sandboxClass, image, gate: this.#gate, signal })
    const id = sandboxId(shared.runId, job.key)
    const prepared = await (claimed ?? prepareSandbox({ ...sandboxClass, id, gate: this.#gate, image: Promise.resolve(image), signal }))
    this.#prepared = prepared
    shared.weaker.tell(prepared.weaknesses)
    await this.#source.prepared(prepared.sandbox)
    const hostLogs = await shared.host.watch(job.key, prepared.sandbox.hostIdentity)
    this.#report('job.prepared', { ...preparedFacts(prepared), warm: claimed !== null, hostLogs })
    // Beside each other, and beside the disk: no step starts before all of it is done.
    await allDone([
      this.#beginLog(),
      putEvent(prepared.sandbox, shared.eventJson),
      this.#honeytokens?.plant(prepared.sandbox),
      shared.recorder.settle(),
    ])
    const timeMs = Math.min(job.timeoutMs, shared.limits.timeMs)
    this.#timer = setTimeout(() => this.#emit({ type: 'job-timed-out', job: job.key }), Math.min(timeMs, 2 ** 31 - 1))
    void prepared.lost.then((message) => this.#emit({ type: 'job-lost', job: job.key, message }))
    return image
  }

  async #beginLog(): Promise<void> {
    this.#log = await this.#shared.record.openLog(this.job.key)
  }

  #refuse(error: unknown): void {
    const code = error instanceof SallyportError ? error.code : 'INTERNAL'
    const hint = error instanceof SallyportError ? (error.hint ?? null) : null
    this.#shared.refusals.setError(error)
    this.#report('job.refused', { code, message: messageOf(error), hint })
    this.#emit({ type: 'job-refused', job: this.job.key, code, message: messageOf(error) })
  }

  /** A sandbox that is still being built is not waited for: nothing of the job has run in it. */
  abandonPreparation(): void {
    this.#preparation.abort()
  }

  /** Ends the sandbox at once, whatever runs in it; the engine hears that the job is lost. */
  async kill(): Promise<void> {
    this.#emit({ type: 'job-lost', job: this.job.key, message: 'killed by the user' })
    await this.#prepared?.sandbox[Symbol.asyncDispose]()
  }

  /** Never rejects: every outcome is an event. */
  async perform(command: JobCommand): Promise<void> {
    switch (command.type) {
      case 'start-process':
        return this.#emit(await this.#begin(command.step, command.process))
      case 'checkout':
        return this.#emit(await this.#checkout(command))
      case 'load-action':
        return this.#emit(await this.#loadAction(command))
      case 'hash-files':
        return this.#emit(await this.#hashFiles(command))
      case 'cancel-step':
        this.#cancelled = true
        await this.#running?.kill()
        return
      case 'publish':
        return this.#emit({ type: 'published', job: this.job.key, error: await this.#publish() })
      case 'end-job':
        await this.#end()
        return this.#emit({ type: 'job-closed', job: this.job.key })
    }
  }

  /** Why not all of it is published, or null. */
  async #publish(): Promise<string | null> {
    try {
      await this.#publisher.publish()
      return null
    } catch (error) {
      if (isRecordFailure(error)) this.#shared.refusals.setError(error)
      this.#shared.refusals.add({ job: this.job.key, step: null, what: 'publish', detail: messageOf(error) })
      return messageOf(error)
    }
  }

  #begin(step: string, process: StepProcess): Promise<EngineEvent> {
    const ended = this.#process(step, process)
    this.#recorded = ended
    return ended
  }

  async #process(step: string, process: StepProcess): Promise<EngineEvent> {
    this.#cancelled = false
    const answer = { type: 'process-exited', job: this.job.key, step } as const
    try {
      return { ...answer, ...(await this.#runStep(step, process)) }
    } catch (error) {
      // A step whose output or hand-over could not be recorded is no failure of the job's making.
      if (isRecordFailure(error) || isMissingGuarantee(error)) this.#shared.refusals.setError(error)
      return { ...answer, ended: 'failed-to-start', exitCode: null, message: messageOf(error), files: NO_FILES }
    }
  }

  async #runStep(step: string, process: StepProcess): Promise<StepEnd> {
    const { access, plan, recorder, log } = this.#shared
    try {
      await this.#source.beforeStep(this.#sandbox, step)
      const stepId = stepIdOf(plan, this.job.id, step)
      const handed = await this.#secrets.hand(step, stepId, process)
      const identity = this.#tokens.decide(step, stepId)
      // A secret is not handed over before its hand-over is on record.
      const [network] = await Promise.all([
        this.#doors.open(step, access.setsFor(this.job.id, stepId), {
          substitutions: handed.substitutions,
          signings: handed.signings,
          asksTokens: identity !== null,
          awaitsSubstitutions: identity?.audiences.some(({ placeholder }) => placeholder !== null) === true,
        }),
        recorder.handOver(),
      ])
      const requests = identity === null || stepId === null ? {} : this.#tokens.open({ step, id: stepId }, identity, network.source)
      const running = await this.#sandbox.startStep({
        id: step,
        argv: handed.argv,
        env: { ...this.#prepared?.trust, ...handed.env, ...requests },
        workingDirectory: process.workingDirectory,
        files: [
          ...STEP_FILES.map((name) => ({ name, content: Buffer.alloc(0), mode: 0o644 })),
          ...(handed.script === null ? [] : [{ name: handed.script.name, content: Buffer.from(handed.script.content), mode: 0o644 }]),
          ...handed.files,
        ],
        collect: STEP_FILES,
        collectBytesMax: STEP_FILE_BYTES_MAX,
        network,
      })
      // Beside the step: at the end of the run nobody waits for what it loads.
      log.prepare()
      void running.begun.then(this.#stepBegan.resolve, this.#stepBegan.resolve)
      return await this.#follow(step, running, process.timeoutMs)
    } finally {
      this.#tokens.close()
      // Of a step that was not started, or could not be followed to its end.
      await this.#doors.close(step, null)
      await this.#secrets.endStep(step)
    }
  }

  async #follow(step: string, running: RunningStep, timeoutMs: number | null): Promise<StepEnd> {
    this.#running = running
    const causes = new EndCauses(running)
    if (this.#cancelled) causes.end('cancelled', null)
    const timer = timeoutMs === null ? null : setTimeout(() => causes.end('timed-out', null), Math.min(timeoutMs, 2 ** 31 - 1))
    try {
      const exit = await this.#pipe(step, running, causes)
      if (this.#cancelled) causes.end('cancelled', null)
      return this.#stepEnd(step, exit, causes)
    } catch (error) {
      // Nobody listens to it any more.
      await running.kill()
      throw error
    } finally {
      if (timer !== null) clearTimeout(timer)
      this.#running = null
    }
  }

  /** The log is complete once the doors are shut: what was refused last stands in it too. */
  async #pipe(step: string, running: RunningStep, causes: EndCauses): Promise<StepExit> {
    const log = this.#openLog
    const piece = log.beginPiece()
    const output = this.#stepOutput(step, log, causes)
    this.#doors.note = (text) => output.note(text)
    try {
      const totals = await output.consume(this.#honeytokens?.watched(step, running.output) ?? running.output)
      const exit = await running.exit
      // Told to the engine before this step's end: nothing more of the job starts.
      if (!(await this.#doors.close(step, exit))) await this.#prepared?.lost
      const unwatched = await this.#source.afterStep(this.#sandbox, step)
      if (unwatched !== null) causes.fail(unwatched)
      await output.settle()
      this.#report('step.log', { ...(await piece.end()), ...totals }, step)
      return exit
    } finally {
      this.#doors.note = null
    }
  }

  #stepOutput(step: string, log: LogWriter, causes: EndCauses): StepOutput {
    const { job } = this
    const shared = this.#shared
    return new StepOutput({
      secrets: shared.secrets,
      log,
      budget: this.#budget,
      print: (bytes) => shared.observer.output(job.key, step, bytes),
      annotate: (annotation) => this.#report('step.annotation', { ...annotation }, step),
      command: (command, name, value) => this.#emit({ type: 'workflow-command', job: job.key, step, command, name, value }),
      refuse: (what, detail) => {
        causes.fail(`${what} refused: ${detail}`)
        shared.refusals.add({ job: job.key, step, what, detail })
      },
      overflow: () => {
        this.#limitHit('output', `the job printed more than ${shared.limits.outputBytes} bytes`, step)
        causes.end('limit', `output limit reached: more than ${shared.limits.outputBytes} bytes`)
      },
    })
  }

  #stepEnd(step: string, exit: StepExit, causes: EndCauses): StepEnd {
    const files = decodeFiles(exit.files)
    for (const [name, text] of Object.entries(files)) if (text !== null) this.#honeytokens?.look(step, name, text)
    const limits = limitsHit(exit, this.#shared.limits)
    for (const { limit, detail } of limits) this.#limitHit(limit, detail, step)
    if (causes.ended !== null) return { ended: causes.ended, exitCode: exitCodeOf(exit), message: causes.message, files }
    if (exit.kind === 'failed-to-start') return { ended: 'failed-to-start', exitCode: null, message: exit.message, files }
    const exitCode = exitCodeOf(exit)
    const hit = limits.find(({ ends }) => ends)
    if (hit !== undefined && exitCode !== 0)
      return { ended: 'limit', exitCode, message: `${hit.limit} limit reached: ${hit.detail}`, files }
    if (causes.message !== null && exitCode === 0) return { ended: 'exited', exitCode: 1, message: causes.message, files }
    return { ended: exit.kind === 'signalled' ? 'signalled' : 'exited', exitCode, message: causes.message, files }
  }

  #limitHit(limit: string, detail: string, step: string): void {
    this.#report('limit.hit', { limit, detail }, step)
    this.#shared.refusals.add({ job: this.job.key, step, what: `${limit} limit`, detail })
  }

  async #checkout(command: Extract<JobCommand, { type: 'checkout' }>): Promise<EngineEvent> {
    const answer = { type: 'checkout-done', job: command.job, step: command.step } as const
    try {
      const { repository, workspace, stateDirectory } = this.#shared
      await this.#source.bringing(this.#sandbox)
      const done = await checkout({ repository, sandbox: this.#sandbox, workspace, inputs: command.inputs, stateDirectory })
      await this.#note(
        command.step,
        `Checked out ${done.ref} (${done.commit.slice(0, 12)}): ${done.files} files, ${done.bytes} bytes, from the local repository\n`,
      )
      return { ...answer, error: null, ref: done.ref, commit: done.commit }
    } catch (error) {
      return { ...answer, error: messageOf(error), ref: '', commit: '' }
    }
  }

  async #loadAction(command: Extract<JobCommand, { type: 'load-action' }>): Promise<EngineEvent> {
    const answer = { type: 'action-loaded', job: command.job, step: command.step } as const
    try {
      return { ...answer, ...(await loadAction(this.#sandbox, this.#shared.workspace, command.path)), error: null }
    } catch (error) {
      return { ...answer, file: command.path, text: null, error: messageOf(error) }
    }
  }

  async #hashFiles(command: Extract<JobCommand, { type: 'hash-files' }>): Promise<EngineEvent> {
    const answer = { type: 'files-hashed', job: command.job, step: command.step } as const
    try {
      const { workspace, limits } = this.#shared
      const hash = await hashFiles(this.#sandbox, workspace, { patterns: command.patterns, bytesMax: limits.diskBytes })
      return { ...answer, hash, error: null }
    } catch (error) {
      return { ...answer, hash: '', error: messageOf(error) }
    }
  }

  /** A line of our own in the step's log. */
  async #note(step: string, text: string): Promise<void> {
    const log = this.#openLog
    const piece = log.beginPiece()
    const bytes = Buffer.from(this.#shared.secrets.redact(text))
    this.#shared.observer.output(this.job.key, step, bytes)
    await log.write(bytes)
    this.#report('step.log', { ...(await piece.end()), bytes: bytes.length, masked: 0, dropped: 0 }, step)
  }

  async #end(): Promise<void> {
    const start = performance.now()
    await this.#dispose()
    this.#report('job.disposed', { durationMs: Math.round(performance.now() - start) })
  }

  async #dispose(): Promise<void> {
    this.#publisher.abort()
    if (this.#timer !== null) clearTimeout(this.#timer)
    await this.#shared.host.unwatch(this.job.key)
    await Promise.all([this.#prepared?.sandbox[Symbol.asyncDispose](), this.#secrets.end()])
    await this.#prepared?.jobImage[Symbol.asyncDispose]()
    // A job that was lost ends while its step is still being written down. Bounded, so that whatever holds that up cannot hold the job.
    await Promise.race([this.#recorded, sleep(RECORD_MS, null, { ref: false })])
    await this.#log?.[Symbol.asyncDispose]()
    this.#log = null
  }

  get #sandbox(): Sandbox {
    if (this.#prepared === null) throw new TypeError('the job has no sandbox')
    return this.#prepared.sandbox
  }

  get #openLog(): LogWriter {
    if (this.#log === null) throw new TypeError('the job has no log')
    return this.#log
  }

  #report(type: string, data: Readonly<Record<string, unknown>>, step?: string): void {
    this.#shared.recorder.add({ type, job: this.job.key, ...(step === undefined ? {} : { step }), data })
  }
}

/** What could not be recorded or handed over: the machine's, or whoever runs it, not the job's. */
function isRecordFailure(error: unknown): boolean {
  return error instanceof StoreError || error instanceof SecretsError || (error instanceof AgentError && UNRECORDED.includes(error.code))
}

const RECORD_MS = 10_000

type StepEnd = Pick<Extract<EngineEvent, { type: 'process-exited' }>, 'ended' | 'exitCode' | 'message' | 'files'>

const NO_FILES: StepFileContents = { env: '', output: '', path: '', state: '', summary: '' }

/** Why a step was ended, when it did not end by itself. The first cause counts. */
class EndCauses {
  readonly #running: RunningStep
  ended: ProcessEnd | null = null
  message: string | null = null

  constructor(running: RunningStep) {
    this.#running = running
  }

  end(ended: ProcessEnd, message: string | null): void {
    if (this.ended !== null) return
    this.ended = ended
    this.message = message
    void this.#running.kill()
  }

  /** The step may go on, and has failed. */
  fail(message: string): void {
    this.message ??= message
  }
}

function exitCodeOf(exit: StepExit): number {
  return exit.kind === 'signalled' ? 128 + exit.code : exit.code
}

function decodeFiles(files: Readonly<Record<string, Uint8Array | null>>): StepFileContents {
  const text = (name: string): string | null => {
    const bytes = files[name]
    return bytes === undefined || bytes === null ? null : Buffer.from(bytes).toString('utf8')
  }
  return { env: text('env'), output: text('output'), path: text('path'), state: text('state'), summary: text('summary') }
}

/** As `Promise.all`, but nothing is under way any more when it rejects. */
async function allDone(work: readonly (Promise<unknown> | undefined)[]): Promise<void> {
  await Promise.allSettled(work)
  await Promise.all(work)
}

/** Ours, short, and unlike any other job's: job keys are the user's text. */
function sandboxId(runId: string, jobKey: string): string {
  return `${runId.slice(-6)}-${createHash('sha256').update(jobKey).digest('hex').slice(0, 10)}`
}

/** `work`, `work/NAME`, `work/NAME/NAME` and the temporary directory's. */
function jobDirectories(workspace: string): string[] {
  return [SANDBOX_PATHS.work, posix.dirname(workspace), workspace, SANDBOX_PATHS.temp, posix.dirname(SANDBOX_PATHS.event)]
}

async function putEvent(sandbox: Sandbox, eventJson: string): Promise<void> {
  const content = Buffer.from(eventJson)
  const path = posix.basename(SANDBOX_PATHS.event)
  await sandbox.putFiles(posix.dirname(SANDBOX_PATHS.event), [{ type: 'file', path, mode: 0o644, size: content.length, content }])
}
