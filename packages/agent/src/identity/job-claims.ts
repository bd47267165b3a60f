// SPDX-License-Identifier: Apache-2.0
import { hostname } from 'node:os'
import type { JobIdentity } from '@sallyport/identity'
import type { WorkflowPlan } from '@sallyport/workflow'
import type { Repository } from '../claim/repository.spawn.ts'
import type { PreparedSandbox } from '../prepare/prepare-sandbox.ts'

/** What a run knows of one of its jobs; the minter checks each word of it. */
export interface ClaimFacts {
  readonly runId: string
  readonly repository: Repository
  readonly plan: WorkflowPlan
  /** SHA-256 of the workflow file as it was read, hexadecimal. */
  readonly workflowDigest: string
  readonly eventName: string
  readonly isolation: string
  /** SHA-256 of what the access file asks for, hexadecimal; null where there is none. */
  readonly policyDigest: string | null
}

type CheckedSandbox = Pick<PreparedSandbox, 'checks' | 'failed'>

/** `prepared`: with the walls that were tried before the job's first step. */
export function jobClaims(facts: ClaimFacts, job: string, step: string, prepared: CheckedSandbox | null): JobIdentity {
  const { runId, plan, workflowDigest, eventName, isolation, policyDigest } = facts
  const { slug, ref, commit, actor } = facts.repository
  const workflowRef = `${slug}/${plan.file}@${ref}`
  return {
    repository: slug,
    ref,
    sha: commit,
    workflow: plan.name,
    workflowRef,
    // Reusable workflows are not in this release.
    jobWorkflowRef: workflowRef,
    workflowDigest: `sha256:${workflowDigest}`,
    runId,
    job,
    step,
    // No workflow of this release has one.
    environment: null,
    actor,
    eventName,
    runner: hostname(),
    isolation,
    policyDigest: policyDigest === null ? null : `sha256:${policyDigest}`,
    // A verifier is told of every guarantee that is missing; the minter signs for no job that lacks one.
    selfCheck: { passed: prepared?.checks.length ?? 0, failed: prepared?.failed ?? [] },
  }
}
