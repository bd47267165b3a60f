// SPDX-License-Identifier: Apache-2.0
import { basename } from 'node:path'
import type { Json } from '@sallyport/engine'
import type { Repository } from './repository.spawn.ts'

export interface GithubContextInput {
  readonly repository: Repository
  readonly event: string
  readonly payload: Readonly<Record<string, unknown>> | null
  readonly inputs: Readonly<Record<string, Json>>
  readonly workflow: { readonly name: string; readonly file: string }
  readonly runId: string
}

/** The workspace inside the sandbox, named as GitHub names it. */
export function workspacePath(repository: Repository): string {
  const name = (repository.slug.split('/')[1] ?? basename(repository.root)).replace(/[^A-Za-z0-9._-]/g, '-') || 'repository'
  return `/home/runner/work/${name}/${name}`
}

/**
 * The `github` context of a run that nobody's forge started. There is no forge token: `token` is empty, so that a job holds no
 * permission of a forge.
 */
export function githubContext(input: GithubContextInput): { readonly [key: string]: Json } {
  const { repository } = input
  const event = eventPayload(input)
  const pullRequest = record(record(event)['pull_request'])
  return {
    action: '',
    action_path: '',
    actor: repository.actor,
    actor_id: '0',
    api_url: 'https://api.github.com',
    base_ref: text(record(pullRequest['base'])['ref']),
    event,
    event_name: input.event,
    graphql_url: 'https://api.github.com/graphql',
    head_ref: text(record(pullRequest['head'])['ref']),
    ref: repository.ref,
    ref_name: repository.ref.replace(/^refs\/(heads|tags)\//, ''),
    ref_protected: false,
    ref_type: repository.ref.startsWith('refs/tags/') ? 'tag' : 'branch',
    repository: repository.slug,
    repository_id: '0',
    repository_owner: repository.slug.split('/')[0] ?? 'local',
    repository_owner_id: '0',
    retention_days: '0',
    run_attempt: '1',
    run_id: numericRunId(input.runId),
    run_number: '1',
    server_url: 'https://github.com',
    sha: repository.commit,
    token: '',
    triggering_actor: repository.actor,
    workflow: input.workflow.name,
    workflow_ref: `${repository.slug}/${input.workflow.file}@${repository.ref}`,
    workflow_sha: repository.commit,
    workspace: workspacePath(repository),
  }
}

/** Scripts take it for a number. */
function numericRunId(id: string): string {
  return id.replace(/\D/g, '').slice(0, 15) || '1'
}

function eventPayload(input: GithubContextInput): { readonly [key: string]: Json } {
  const { repository } = input
  const [owner, name] = repository.slug.split('/')
  const base = {
    repository: { name: name ?? '', full_name: repository.slug, owner: { login: owner ?? '' }, default_branch: 'main' },
    sender: { login: repository.actor },
  }
  if (input.payload !== null) return { ...base, ...(input.payload as { readonly [key: string]: Json }) }
  if (input.event === 'workflow_dispatch') return { ...base, inputs: input.inputs, ref: repository.ref }
  return { ...base, ref: repository.ref, after: repository.commit, before: '0'.repeat(40), head_commit: { id: repository.commit } }
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {}
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
