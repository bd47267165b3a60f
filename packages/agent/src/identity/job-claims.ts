// SPDX-License-Identifier: Apache-2.0
import { hostname } from 'node:os'
import type { JobIdentity } from '@sallyport/identity'
import type { WorkflowPlan } from '@sallyport/workflow'
import type { Repository } from '../claim/repository.spawn.ts'
import type { IsolationKind } from '../contract.ts'

/** What a run knows of one of its jobs; the minter checks each word of it. */
export interface ClaimFacts {
  readonly runId: string
  readonly repository: Repository
  readonly plan: WorkflowPlan
  /** SHA-256 of the workflow file as it was read, hexadecimal. */
  readonly workflowDigest: string
  readonly eventName: string
  readonly isolation: IsolationKind
  /** SHA-256 of what the access file asks for, hexadecimal; null where there is none. */
  readonly policyDigest: string | null
}

/** `passed`: walls that were tried before the job's first step, all of which stood. */
export function jobClaims(facts: ClaimFacts, job: string, step: string, passed: number): JobIdentity {
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
    selfCheck: { passed, failed: [] },
  }
}
