// SPDX-License-Identifier: Apache-2.0
import { quote } from '@sallyport/core'
import { IdentityError } from '../identity-error.ts'
import { type ClaimRule, commit, digest, eventName, gitRef, repository, text, word, workflowRef } from './parse-claim.ts'

/** A step that runs, as its supervisor knows it. The minter checks each field, and works out the subject itself. */
export interface JobIdentity {
  readonly repository: string
  readonly ref: string
  readonly sha: string
  readonly workflow: string
  readonly workflowRef: string
  readonly jobWorkflowRef: string
  readonly workflowDigest: string
  readonly runId: string
  readonly job: string
  readonly step: string
  /** The deployment environment that policy has granted the job; null for none. Never what a file of a pull request says. */
  readonly environment: string | null
  readonly actor: string
  readonly eventName: string
  readonly runner: string
  readonly isolation: string
  /** Of the policy that admitted the job; null where none did. */
  readonly policyDigest: string | null
  /** Walls that were tried before the first step. */
  readonly selfCheck: { readonly passed: number; readonly failed: readonly string[] }
}

type TextField = Exclude<keyof JobIdentity, 'selfCheck'>

interface Claim {
  readonly name: string
  readonly field: TextField
  readonly rule: ClaimRule
  readonly isOptional?: true
  /** For docs/identity.md. */
  readonly says: string
}

/** Those that are fields of the job; the others are derived (`derivedClaims`), or of every token. */
const FIELD_CLAIMS: readonly Claim[] = [
  { name: 'repository', field: 'repository', rule: repository, says: '`OWNER/NAME`' },
  { name: 'ref', field: 'ref', rule: gitRef, says: 'the whole git ref that the run is of' },
  { name: 'sha', field: 'sha', rule: commit, says: 'the commit' },
  { name: 'workflow', field: 'workflow', rule: text(255), says: 'name of the workflow; whoever can push chooses it' },
  { name: 'workflow_ref', field: 'workflowRef', rule: workflowRef, says: 'file of the workflow, `OWNER/NAME/PATH@REF`' },
  {
    name: 'job_workflow_ref',
    field: 'jobWorkflowRef',
    rule: workflowRef,
    says: 'file of the workflow that holds the job: another one where a reusable workflow was called',
  },
  { name: 'workflow_digest', field: 'workflowDigest', rule: digest, says: 'SHA-256 of that file as it ran' },
  { name: 'run_id', field: 'runId', rule: word, says: 'the run, as in `sallyport runs ls` and in the log' },
  { name: 'job', field: 'job', rule: text(255), says: 'id of the job; whoever can push chooses it' },
  { name: 'step', field: 'step', rule: text(100), says: 'the step that asked' },
  { name: 'environment', field: 'environment', rule: text(255), isOptional: true, says: 'deployment environment that the job was granted' },
  { name: 'actor', field: 'actor', rule: text(100), says: 'who caused the event' },
  { name: 'event_name', field: 'eventName', rule: eventName, says: 'the event, such as `push`' },
  { name: 'runner', field: 'runner', rule: text(255), says: 'the host that runs the job' },
  {
    name: 'isolation',
    field: 'isolation',
    rule: word,
    says: 'how the job is kept apart: `oci` or `gvisor`, or a driver asked for by name',
  },
  { name: 'policy_digest', field: 'policyDigest', rule: digest, isOptional: true, says: 'SHA-256 of the policy that admitted the job' },
]

/** What verifiers may rely on, in the order of docs/identity.md. */
export const CLAIMS: readonly { readonly name: string; readonly says: string }[] = [
  { name: 'iss', says: 'the issuer: the URL of `--issuer`' },
  { name: 'sub', says: 'the subject, see below' },
  { name: 'aud', says: 'the one audience that was asked for and granted' },
  { name: 'iat', says: 'when it was made' },
  { name: 'nbf', says: '60 s before that, for clocks that are slow' },
  { name: 'exp', says: '5 minutes after that, 15 at most' },
  { name: 'jti', says: 'a random UUID; it stands in the run’s journal' },
  ...FIELD_CLAIMS.map(({ name, says }) => ({ name, says })),
  { name: 'repository_owner', says: '`OWNER` of `repository`' },
  { name: 'ref_type', says: '`branch`, `tag`, or `other`' },
  { name: 'self_check', says: '`passed`: every wall was tried before the first step, and stood' },
]

/**
 * The claims about a job. Untrusted: it comes from a supervisor, and many of its words from whoever can push.
 * @throws IdentityError IDENTITY_CLAIM_INVALID
 */
export function parseIdentity(value: unknown): JobIdentity {
  if (!isRecord(value)) throw invalid('the identity is no object')
  const unknown = Object.keys(value).find((key) => key !== 'selfCheck' && !FIELD_CLAIMS.some(({ field }) => field === key))
  if (unknown !== undefined) throw invalid(`there is no field ${quote(unknown)}`)
  for (const { name, field, rule, isOptional } of FIELD_CLAIMS) {
    const content = value[field]
    if (content === null && isOptional === true) continue
    if (typeof content !== 'string') throw invalid(`the claim ${name} is missing`)
    const flaw = rule(content)
    if (flaw !== null) throw invalid(`the claim ${name} is ${quote(content)}, which is not ${flaw}`)
  }
  assertSelfCheck(value['selfCheck'])
  return value as unknown as JobIdentity
}

function assertSelfCheck(value: unknown): void {
  const { passed, failed } = isRecord(value) ? value : {}
  const hasPassed = typeof passed === 'number' && Number.isSafeInteger(passed) && passed > 0 && Array.isArray(failed) && failed.length === 0
  if (!hasPassed) throw invalid('the self-check of the job’s sandbox has not passed')
}

/** As they stand in a token. Parsed before. */
export function jobClaims(identity: JobIdentity): Record<string, string> {
  const fields = FIELD_CLAIMS.flatMap(({ name, field }) => {
    const content = identity[field]
    return content === null ? [] : [[name, content] as const]
  })
  return { sub: subjectOf(identity), ...Object.fromEntries(fields), ...derivedClaims(identity) }
}

function derivedClaims({ repository, ref }: JobIdentity): Record<string, string> {
  const type = ref.startsWith('refs/heads/') ? 'branch' : ref.startsWith('refs/tags/') ? 'tag' : 'other'
  return { repository_owner: repository.split('/')[0] ?? '', ref_type: type, self_check: 'passed' }
}

/** Events about a proposal: what runs was chosen by whoever opened it. */
const PULL_REQUEST_EVENTS: readonly string[] = ['pull_request', 'pull_request_review', 'pull_request_review_comment']

/**
 * GitHub's shape: `repo:OWNER/NAME:` and one of `environment:NAME`, `pull_request`, `ref:REF`. No two different jobs' facts have the same
 * subject: a repository and a ref hold no colon, and of an environment's name `:` and `%` are escaped, the colon as GitHub does.
 */
export function subjectOf({ repository, ref, environment, eventName }: JobIdentity): string {
  if (environment !== null) return `repo:${repository}:environment:${environment.replaceAll('%', '%25').replaceAll(':', '%3A')}`
  return PULL_REQUEST_EVENTS.includes(eventName) ? `repo:${repository}:pull_request` : `repo:${repository}:ref:${ref}`
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function invalid(reason: string): IdentityError {
  return new IdentityError('IDENTITY_CLAIM_INVALID', `Cannot mint a token: ${reason}`, {
    hint: 'Rename what the message quotes: a token says only what no other job can be made to say',
  })
}
