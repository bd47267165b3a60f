// SPDX-License-Identifier: Apache-2.0
import type { GrantFacts } from '@sallyport/access'
import type { Commitment } from '@sallyport/audit-log'
import { ExitCode } from '@sallyport/core'
import type { Conclusion, EngineInput } from '@sallyport/engine'
import { createSecretSet, type SecretSet } from '@sallyport/redaction'
import { assertCanEnforce } from '@sallyport/sandbox'
import { commitToDocument, createRunStore, newRunId, type RunRecord } from '@sallyport/store'
import { loadWorkflowParser, type WorkflowPlan } from '@sallyport/workflow'
import type { EffectiveAccess } from '../access/contract.ts'
import { knownPlans } from '../access/known-plans.ts'
import { loadEffectiveAccess } from '../access/load-access.ts'
import { forkBaseOf } from '../access/pull-request-base.ts'
import { type ChosenIsolation, chooseIsolation } from '../admit/isolation.ts'
import { askedFor, effectiveLimits } from '../admit/limits.ts'
import { HostSources } from '../audit/host-sources.ts'
import { RunLog } from '../audit/run-log.ts'
import type { LoggedRun } from '../audit/run-log-writer.ts'
import { assertMatrixKnown } from '../claim/assert-matrix.ts'
import { buildEngineInput } from '../claim/engine-input.ts'
import { workspacePath } from '../claim/github-context.ts'
import { inspectRepository, type Repository } from '../claim/repository.spawn.ts'
import { matchWorkflows, resolveInputs, selectTriggered } from '../claim/select-workflows.ts'
import { findWorkflowFiles, readWorkflows } from '../claim/workflow-files.ts'
import type { RunDocument, RunObserver, RunOptions } from '../contract.ts'
import { SeenDestinations } from '../gate/seen-destinations.ts'
import { RunIdentity } from '../identity/run-identity.ts'
import { JobImages } from '../images/job-images.ts'
import { protectSupervisor } from '../prepare/protect-supervisor.ts'
import { WarmPool } from '../prepare/warm-pool.ts'
import { Weaker } from '../prepare/weaker.ts'
import { RunPublishing } from '../publish/run-publishing.ts'
import { DoorRecord } from '../record/door-record.ts'
import { Refusals } from '../record/refusals.ts'
import { RunSecrets, type RunSecretsParts } from '../secrets/run-secrets.ts'
import { SecretWatch } from '../secrets/secret-watch.ts'
import { SourceRecord } from '../source/job-source.ts'
import type { RunShared } from './job-host.ts'
import { describeUnmasked, maskSecrets } from './mask-secrets.ts'
import { policiesOf } from './policies.ts'
import { Recorder } from './recorder.ts'
import { type WorkflowOutcome, WorkflowRun } from './workflow-run.ts'

/** Runs what the event triggers, one workflow after the other, the jobs of each in parallel. */
export async function runWorkflows(options: RunOptions, observer: RunObserver): Promise<RunDocument> {
  assertCanEnforce()
  const repository = await inspectRepository(options.repository)
  const files = await findWorkflowFiles(options.repository, options.files)
  const workflows = await readWorkflows(options.repository, files)
  const triggered = selectTriggered(await matchWorkflows(workflows, options, repository), options)
  const runId = newRunId()
  let session: RunSession | null = null
  const secrets = createSecretSet()
  const parser = await loadWorkflowParser()
  const inputs = triggered.map(({ plan, event }) =>
    buildEngineInput({
      plan,
      options: { ...options, event },
      repository,
      runId,
      inputs: resolveInputs(plan, { ...options, event }),
      parseAction: (file, text) => parser.parseAction(file, text),
      containsSecret: (text) => secrets.matches(text),
    }),
  )
  assertMatrixKnown(inputs, options.matrix)
  const { stateDirectory } = options
  const access = await loadEffectiveAccess({
    egress: options.egress,
    repository: repository.root,
    base: forkBaseOf(options.payload),
    plans: options.files.length === 0 ? knownPlans(workflows) : null,
    stateDirectory,
  })
  const isolation = await chooseIsolation({ option: options.isolation, access, stateDirectory })
  const { request, operator } = access.files
  const asked = { file: request, operator, facts: grantFacts(options, repository), masks: secrets, stateDirectory }
  await using runSecrets = new RunSecrets({
    ...asked,
    given: options.secrets,
    runId,
    observe: (event) => session?.brokerEvent(event),
  })
  using runIdentity = new RunIdentity(asked)
  const publishing = new RunPublishing(asked)
  protectSupervisor(runSecrets.values)
  await runSecrets.begin()
  await runIdentity.begin(runSecrets.providersUsed)
  await using record = await createRunStore(stateDirectory).create(runId)
  using host = new HostSources({ runId, needs: access.hostLogs, secrets })
  host.prepare()
  await using log = new RunLog(stateDirectory, runId, host)
  record.onEvent = (event) => {
    log.add(event)
    session?.watch.observe(event)
    observer.event(event)
  }
  session = new RunSession({
    options,
    repository,
    access,
    isolation,
    plans: triggered.map(({ plan }) => plan),
    observer,
    record,
    log,
    host,
    recorder: new Recorder(record, secrets, log),
    secrets,
    runSecrets,
    runIdentity,
    digests: new Map(workflows.map(({ file: path, digest }) => [path, digest])),
    publishing,
    runId,
  })
  session.announce()
  await session.runWorkflows(inputs.map((input) => ({ ...input, secrets: runSecrets.values, publishing: publishing.jobs })))
  return await session.finish()
}

function grantFacts(options: RunOptions, { slug, ref, actor }: Repository): GrantFacts {
  return {
    repository: slug,
    ref,
    event: options.event,
    // No workflow of this release has one.
    environment: null,
    actor,
    isForkPullRequest: forkBaseOf(options.payload) !== null,
  }
}

/** What `always()` steps may take after a cancel: GitHub's own five minutes. */
const CANCEL_GRACE_MS = 5 * 60e3

interface SessionParts {
  readonly options: RunOptions
  readonly repository: Repository
  readonly access: EffectiveAccess
  readonly isolation: ChosenIsolation
  readonly plans: readonly WorkflowPlan[]
  readonly observer: RunObserver
  readonly record: RunRecord
  readonly log: RunLog
  readonly host: HostSources
  readonly recorder: Recorder
  readonly secrets: SecretSet
  readonly runSecrets: RunSecrets
  readonly runIdentity: RunIdentity
  /** Of each workflow file; see {@link ClaimFacts}. */
  readonly digests: ReadonlyMap<string, string>
  readonly publishing: RunPublishing
  readonly runId: string
}

/** One run from its first event to its document. */
class RunSession {
  readonly #parts: SessionParts
  readonly #refusals = new Refusals()
  readonly #doors: DoorRecord
  readonly #seen: SeenDestinations
  readonly #sources = new SourceRecord()
  readonly #outcomes: WorkflowOutcome[] = []
  readonly #startedAt = new Date()
  readonly watch: SecretWatch
  readonly #weaker = new Weaker((message) => this.#notice(message))

  constructor(parts: SessionParts) {
    this.#parts = parts
    const { stateDirectory } = parts.options
    this.watch = new SecretWatch({
      stateDirectory,
      repository: parts.repository,
      file: parts.access.files.request,
      rotation: parts.access.files.operator?.rotation ?? [],
      report: ({ job, step, rule, severity, message, remedy }) =>
        parts.recorder.add({
          type: 'secret.finding',
          ...(job === null ? {} : { job }),
          ...(step === null ? {} : { step }),
          data: { rule, severity, message, remedy },
        }),
      notice: (message) => this.#notice(message),
    })
    this.#doors = new DoorRecord(parts.access.observes)
    this.#seen = new SeenDestinations(parts.options.stateDirectory, parts.repository)
  }

  announce(): void {
    const { options, repository, access, plans, digests, recorder, secrets, log, isolation } = this.#parts
    log.onQuorumMissed = (message) => this.#notice(message)
    // Masked before the first event: a name in a workflow may hold a value.
    for (const secret of maskSecrets(secrets, options.secrets)) this.#notice(describeUnmasked(secret))
    recorder.add({
      type: 'run.started',
      data: {
        workflows: plans.map((plan) => plan.file),
        event: options.event,
        repository: repository.slug,
        directory: repository.root,
        commit: repository.commit,
        ref: repository.ref,
        isolation: isolation.name,
        egress: options.egress.mode,
        policies: policiesOf({
          options,
          access,
          workflows: Object.fromEntries(plans.map(({ file }) => [file, digests.get(file) ?? null])),
        }),
      },
    })
    for (const notice of [...access.notices, ...(isolation.notice === null ? [] : [isolation.notice])]) this.#notice(notice)
    for (const plan of plans) for (const notice of plan.notices) this.#notice(notice.message, notice.at.file, notice.at.line)
  }

  brokerEvent({ kind, ...data }: Parameters<RunSecretsParts['observe']>[0]): void {
    this.#parts.recorder.add({ type: `secret.${kind}`, data })
  }

  #notice(message: string, file: string | null = null, line: number | null = null): void {
    this.#parts.recorder.add({ type: 'run.notice', data: { message, file, line } })
  }

  /** One after the other. */
  async runWorkflows(inputs: readonly EngineInput[]): Promise<void> {
    await using pool = new WarmPool()
    for (const input of inputs) {
      if (this.#parts.options.interrupt.soft.aborted) break
      await this.#runWorkflow(input, pool)
    }
  }

  async #runWorkflow(input: EngineInput, pool: WarmPool): Promise<void> {
    const { interrupt } = this.#parts.options
    const run = new WorkflowRun(input, this.#shared(input.workflow, input.github, pool))
    const kill = (): void => run.kill()
    let grace: NodeJS.Timeout | null = null
    const cancel = (): void => {
      run.cancel()
      grace ??= setTimeout(kill, CANCEL_GRACE_MS)
    }
    interrupt.soft.addEventListener('abort', cancel)
    interrupt.hard.addEventListener('abort', kill)
    try {
      this.#outcomes.push(await run.run())
    } finally {
      if (grace !== null) clearTimeout(grace)
      interrupt.soft.removeEventListener('abort', cancel)
      interrupt.hard.removeEventListener('abort', kill)
    }
  }

  #shared(plan: WorkflowPlan, github: EngineInput['github'], pool: WarmPool): RunShared {
    const {
      options,
      repository,
      access,
      isolation,
      record,
      log,
      host,
      recorder,
      secrets,
      runSecrets,
      runIdentity,
      publishing,
      digests,
      observer,
      runId,
    } = this.#parts
    return {
      runId,
      plan,
      repository,
      access,
      workspace: workspacePath(repository),
      eventJson: JSON.stringify(github['event']),
      eventName: String(github['event_name']),
      workflowDigest: digests.get(plan.file) ?? '',
      policyDigest: access.digests.request,
      stateDirectory: options.stateDirectory,
      isolation: isolation.name,
      chosen: isolation,
      limits: effectiveLimits({ ...access.limits, ...options.limits }, access.limitsMax),
      askedLimits: askedFor(access.limits, options.limits, access.limitsMax),
      weaker: this.#weaker,
      secrets,
      runSecrets,
      runIdentity,
      images: new JobImages(options.stateDirectory, access.images),
      imageOptions: options.images,
      publishing,
      watch: this.watch,
      record,
      log,
      host,
      recorder,
      observer,
      refusals: this.#refusals,
      doors: this.#doors,
      source: options.source,
      sources: this.#sources,
      seen: this.#seen,
      pool,
      hardStop: options.interrupt.hard,
    }
  }

  /** The document, after everything before it is on stable storage and in the log. */
  async finish(): Promise<RunDocument> {
    const { record, recorder, runSecrets } = this.#parts
    await runSecrets.swept
    await this.watch.finish()
    const facts = this.#facts()
    const { commitment, salt } = commitToDocument(facts)
    const [log] = await Promise.all([this.#closeLog(commitment), recorder.settle(), this.#seen.save()])
    const document = log === null ? { ...this.#facts(), log } : { ...facts, log: { ...log, salt } }
    await record.finish(document)
    return document
  }

  async #closeLog(document: Commitment): Promise<LoggedRun | null> {
    try {
      return this.#parts.recorder.redact(await this.#parts.log.close(document)) as LoggedRun
    } catch (error) {
      this.#refusals.setError(error)
      return null
    }
  }

  /** Redacted. */
  #facts(): Omit<RunDocument, 'log'> {
    return this.#parts.recorder.redact(this.#document()) as Omit<RunDocument, 'log'>
  }

  #document(): Omit<RunDocument, 'log'> {
    const { options, plans, runId } = this.#parts
    const conclusion = this.#conclusion()
    return {
      id: runId,
      conclusion,
      exitCode: this.#exitCode(conclusion),
      startedAt: this.#startedAt.toISOString(),
      durationMs: Date.now() - this.#startedAt.getTime(),
      workflows: plans.map((plan) => plan.file),
      jobs: this.#outcomes.flatMap((outcome) => outcome.jobs),
      weaker: this.#weaker.list,
      doors: this.#doors.doors,
      secrets: this.#outcomes.flatMap((outcome) => outcome.secrets),
      published: this.#outcomes.flatMap((outcome) => outcome.published),
      policy: [],
      sourceChanges: this.#sources.changes,
      findings: this.watch.findings,
      refusals: this.#refusals.refusals,
      error: options.interrupt.soft.aborted ? INTERRUPTED : (this.#refusals.error?.error ?? null),
    }
  }

  #conclusion(): Conclusion {
    if (this.#parts.options.interrupt.soft.aborted) return 'cancelled'
    const all = this.#outcomes.map((outcome) => outcome.conclusion)
    return (['failure', 'cancelled', 'success'] as const).find((conclusion) => all.includes(conclusion)) ?? 'skipped'
  }

  #exitCode(conclusion: Conclusion): RunDocument['exitCode'] {
    if (this.#parts.options.interrupt.soft.aborted) return ExitCode.interrupted
    if (this.#refusals.error !== null) return this.#refusals.error.exitCode
    return conclusion === 'success' || conclusion === 'skipped' ? ExitCode.success : ExitCode.jobFailed
  }
}

const INTERRUPTED = { code: 'INTERRUPTED', message: 'the run was interrupted', hint: null } as const
