// SPDX-License-Identifier: Apache-2.0
import type { Recording } from '@sallyport/access'
import { createRunStore, type StoredRun } from '@sallyport/store'
import { AgentError } from '../agent-error.ts'
import { inspectRepository, type Repository } from '../claim/repository.spawn.ts'
import { readWorkflows } from '../claim/workflow-files.ts'
import type { RunDocument } from '../contract.ts'
import { stepIdOf } from '../run/step-id.ts'
import type { AccessPlace } from './contract.ts'

export interface RecordedRuns {
  /** Ids of the runs. */
  readonly runs: readonly string[]
  readonly recordings: readonly Recording[]
  readonly notices: readonly string[]
}

/** Runs that are looked through for the latest one of this repository. */
const SEARCHED_MAX = 200
/** `run.started` is among the first. */
const HEAD_EVENTS_MAX = 16

/**
 * What recorded runs did with their doors.
 *
 * @param named Ids or their beginnings; empty: the latest run of this repository.
 * @throws StoreError RUN_NOT_FOUND, RUN_AMBIGUOUS; AgentError NOTHING_RECORDED.
 */
export async function readRecordings(place: AccessPlace, named: readonly string[]): Promise<RecordedRuns> {
  const store = createRunStore(place.stateDirectory)
  const repository = await inspectRepository(place.repository)
  const runs =
    named.length === 0 ? [await findLatest(store, repository)] : await Promise.all([...new Set(named)].map((id) => store.open(id)))
  const recorded: RecordedRuns[] = []
  for (const run of runs) recorded.push(await readRun(run, repository))
  return {
    runs: recorded.flatMap((one) => one.runs),
    recordings: recorded.flatMap((one) => one.recordings),
    notices: recorded.flatMap((one) => one.notices),
  }
}

/** Runs of all repositories share one store: what another one did is not learned by default. */
async function findLatest(store: ReturnType<typeof createRunStore>, repository: Repository): Promise<StoredRun> {
  for (const { id } of (await store.list()).slice(0, SEARCHED_MAX)) {
    const run = await store.open(id)
    if (documentOf(run) !== null && (await otherRepositoryOf(run, repository)) === null) return run
  }
  throw new AgentError('NOTHING_RECORDED', `Cannot find a finished run of "${repository.slug}"`, {
    hint: 'Record one with: sallyport run --egress observe; or name a run of sallyport runs ls',
  })
}

/** Null where the run was of this one. Without a remote the name of its directory is no name of a repository: any other can have the same. */
async function otherRepositoryOf(run: StoredRun, { slug, root }: Repository): Promise<string | null> {
  const { repository, directory } = await startOf(run)
  if (repository !== slug) return String(repository)
  return slug.startsWith('local/') && directory !== root ? String(directory) : null
}

/** What `run.started` says. */
async function startOf(run: StoredRun): Promise<Readonly<Record<string, unknown>>> {
  let count = 0
  for await (const { type, data } of run.events()) {
    if (type === 'run.started') return data
    count += 1
    if (count >= HEAD_EVENTS_MAX) break
  }
  return {}
}

/** Null for a run that did not end, and for `exec`, which has no jobs that a file could name. */
function documentOf({ document }: StoredRun): RunDocument | null {
  // Written by us, and read back from a directory that only we can write to; what its texts say was chosen by jobs.
  return Array.isArray(document?.['jobs']) ? (document as unknown as RunDocument) : null
}

async function readRun(run: StoredRun, repository: Repository): Promise<RecordedRuns> {
  const document = documentOf(run)
  if (document === null) {
    const why = run.document === null ? `it is ${run.state}` : 'it was one command, and not the jobs of a workflow'
    throw new AgentError('NOTHING_RECORDED', `Cannot learn from run "${run.id}": ${why}`, { hint: 'Choose another of sallyport runs ls' })
  }
  const stepId = await stepIds(repository.root, document)
  const common = { run: run.id, workflow: document.workflows.join(', ') }
  const byStep = Map.groupBy(document.doors.used, ({ job, step }) => JSON.stringify([job, step]))
  const used = [...byStep.values()].map((uses): Recording => {
    const { job: key = '', step = '' } = uses[0] ?? {}
    const job = document.jobs.find((candidate) => candidate.key === key)?.id ?? key
    return { ...common, job, step: stepId(job, step), uses }
  })
  // A job that used no door was recorded too.
  const recordings = [...document.jobs.map(({ id }): Recording => ({ ...common, job: id, step: null, uses: [] })), ...used]
  return { runs: [run.id], recordings, notices: noticesOf(run.id, document, await otherRepositoryOf(run, repository)) }
}

function noticesOf(id: string, { doors, conclusion }: RunDocument, other: string | null): readonly string[] {
  return [
    ...(other === null ? [] : [`run ${id} was of another repository, "${other}"`]),
    ...(conclusion === 'success' ? [] : [`run ${id} did not succeed (${conclusion}): what it did not get to is not covered`]),
    ...(doors.observed || doors.refused.length === 0
      ? []
      : [`run ${id} did not observe: what it was refused is not covered (sallyport run --egress observe)`]),
  ]
}

/** The `id` that a step has in the workflow. Where the file is not the one that ran, or one of many, a rule is for the whole job. */
async function stepIds(repository: string, { workflows }: RunDocument): Promise<(job: string, key: string) => string | null> {
  const [file] = workflows
  if (file === undefined || workflows.length > 1) return () => null
  try {
    const plan = (await readWorkflows(repository, [file]))[0]?.plan ?? null
    return (job, key) => (plan === null ? null : stepIdOf(plan, job, key))
  } catch {
    // It is gone, or was broken since.
    return () => null
  }
}
