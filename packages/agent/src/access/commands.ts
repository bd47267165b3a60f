// SPDX-License-Identifier: Apache-2.0
// `sallyport trust` and `sallyport access`, over the same files as a run.
import {
  AccessError,
  type AccessFile,
  type ConnectionTarget,
  type EgressRule,
  explainConnection,
  explainRequest,
  isGraphqlRequest,
  learn,
  normalisePath,
  parseRule,
  type RuleSet,
  replay,
} from '@sallyport/access'
import { AgentError } from '../agent-error.ts'
import type { AccessCommands, AccessExplanation, AccessPlace, AccessQuestion, AccessReview } from './contract.ts'
import { readKnownPlans } from './known-plans.ts'
import { setsOf } from './load-access.ts'
import { loadPolicy, type Policy } from './policy.ts'
import { readRecordings } from './recordings.ts'
import { strayNotices } from './stray-places.ts'
import { approvalOf, reviewFile } from './trust.ts'
import { TrustStore } from './trust-store.ts'

export const accessCommands: AccessCommands = {
  review: reviewAccess,
  approve: async (place, digest) => {
    const review = await reviewAccess(place)
    if (review.digest !== digest)
      throw new AgentError('ACCESS_CHANGED', `Cannot approve "${review.file}": it asks for something else than what was reviewed`, {
        hint: 'Review it again: sallyport trust',
      })
    if (review.asks.length === 0) return
    const { file, asks } = review
    await recordAct(place, 'trust.approved', { file, digest, asks })
    await new TrustStore(place.stateDirectory).approve(place.repository, approvalOf(review, new Date()))
  },
  revoke: async (place) => {
    const store = new TrustStore(place.stateDirectory)
    const digests = (await store.approvals(place.repository)).map((approval) => approval.digest)
    if (digests.length === 0) return 0
    await recordAct(place, 'trust.revoked', { digests })
    return store.revoke(place.repository)
  },
  learn: async (place, named) => {
    const { runs, recordings, notices } = await readRecordings(place, named)
    return { text: learn(recordings), runs, notices }
  },
  replay: async (place, named) => {
    const { file, policy } = await loadFile(place)
    const { runs, recordings, notices } = await readRecordings(place, named)
    const replayed = replay(file, recordings)
    return { ...replayed, runs, notices: [...policy.notices, ...notices, ...replayed.notices] }
  },
  explain: explainAccess,
}

/** Before it takes effect: what jobs may do from now on, and who said so. @throws AgentError AUDIT_LOG_UNWRITABLE, and nothing has changed */
async function recordAct(
  { stateDirectory, repository }: AccessPlace,
  type: string,
  data: Readonly<Record<string, unknown>>,
): Promise<void> {
  const { openOperatorLog } = await import('../audit/operator-log.ts')
  const log = openOperatorLog(stateDirectory)
  await log.record(type, { repository, ...data })
  await log.close()
}

async function loadPolicyAt(place: AccessPlace): Promise<Policy> {
  return loadPolicy({ ...place, base: null, allow: [] })
}

async function loadFile(place: AccessPlace): Promise<{ readonly file: AccessFile; readonly policy: Policy }> {
  const policy = await loadPolicyAt(place)
  if (policy.file !== null) return { file: policy.file, policy }
  throw new AgentError('ACCESS_FILE_UNREADABLE', `Cannot read "${policy.source}": there is no such file`, {
    hint: 'Make one from what jobs do: sallyport run --egress observe, then sallyport access learn --write',
  })
}

async function reviewAccess(place: AccessPlace): Promise<AccessReview> {
  const { file, policy } = await loadFile(place)
  const [review, plans] = await Promise.all([
    reviewFile(file, policy, place.repository, new TrustStore(place.stateDirectory)),
    file.jobs.length === 0 ? null : readKnownPlans(place.repository),
  ])
  return { ...review, notices: [...review.notices, ...(plans === null ? [] : strayNotices(file, plans))] }
}

async function explainAccess(place: AccessPlace, question: AccessQuestion): Promise<AccessExplanation> {
  const target = parseTarget(question.target)
  const policy = await loadPolicyAt(place)
  const sets = setsOf(policy, { job: question.job, step: question.step, observes: false })
  const explanation = explain(sets, target, question)
  const unknown = knows(policy.file, question) ? [] : [`"${policy.source}" has no rules of its own for job ${placeName(question)}`]
  const review = policy.file === null ? null : await reviewFile(policy.file, policy, place.repository, new TrustStore(place.stateDirectory))
  const isOpen = review?.state === 'untrusted' || review?.state === 'changed'
  const trust = isOpen ? [`Nobody has approved "${review?.file}": until then no job runs with it (sallyport trust)`] : []
  return { allowed: explanation.allowed, lines: [...explanation.lines, ...unknown, ...trust] }
}

function knows(file: AccessFile | null, { job, step }: AccessQuestion): boolean {
  const found = file?.jobs.find(({ id }) => id === job)
  return found !== undefined && (step === null || found.steps.some(({ id }) => id === step))
}

function placeName({ job, step }: AccessQuestion): string {
  return step === null ? job : `${job}, step ${step}`
}

function explain(sets: readonly RuleSet[], target: ConnectionTarget, { method, path }: AccessQuestion): AccessExplanation {
  if (method === null && path === null) return explainConnection(sets, target)
  const normal = normalisePath(path ?? '/')
  if (!normal.ok) throw new AgentError('EGRESS_INVALID', `Cannot explain the path "${path}": ${normal.refusal.reason}`)
  const asked = { method: (method ?? 'GET').toUpperCase(), path: normal.path }
  return explainRequest(sets, {
    ...asked,
    target,
    protocol: target.port === 80 ? 'http' : 'tls',
    upgrade: null,
    graphql: isGraphqlRequest(asked.method, asked.path, asked.path.query !== ''),
  })
}

/** One destination, written as a rule would be. @throws AccessError, AgentError EGRESS_INVALID. */
function parseTarget(text: string): ConnectionTarget {
  const { to, ports } = parseDestinationRule(text)
  const [range] = ports
  const isOne = ports.length === 1 && range?.first === range?.last
  const address = to.kind === 'network' ? (/^(.*)\/(?:32|128)$/.exec(to.cidr)?.[1] ?? null) : null
  const name = to.kind === 'name' && to.pattern.kind === 'exact' ? to.pattern.name : null
  if (isOne && range !== undefined && (name !== null || address !== null))
    return { name, address, port: range.first, transport: 'tcp', executable: null }
  throw new AgentError('EGRESS_INVALID', `Cannot explain "${text}": it is not one destination`, { hint: 'Write HOST[:PORT]' })
}

function parseDestinationRule(text: string): EgressRule {
  try {
    return parseRule(text, 'HOST[:PORT]')
  } catch (error) {
    if (!(error instanceof AccessError)) throw error
    const [problem] = error.problems
    throw new AgentError('EGRESS_INVALID', `Cannot explain "${text}": ${problem?.message}`, {
      hint: problem?.suggestion ?? 'Write HOST[:PORT]',
    })
  }
}
