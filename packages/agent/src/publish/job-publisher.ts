// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path'
import { formatPublishTarget, type PublishDecision, type PublishEntry } from '@sallyport/access'
import { SallyportError } from '@sallyport/core'
import type { JobInstance } from '@sallyport/engine'
import type { Publication, PublishOutcome } from '@sallyport/publisher'
import type { Sandbox } from '@sallyport/sandbox'
import { AgentError } from '../agent-error.ts'
import type { PublishedArtifact } from '../contract.ts'
import type { JobSecrets } from '../secrets/job-secrets.ts'
import { type Artifact, takeArtifact } from './artifact.ts'
import type { RunPublishing } from './run-publishing.ts'

export interface JobPublisherParts {
  readonly job: JobInstance
  readonly policy: RunPublishing
  readonly workspace: string
  readonly stateDirectory: string
  readonly sandbox: () => Sandbox
  readonly secrets: Pick<JobSecrets, 'announce' | 'readOwn' | 'endStep'>
  readonly report: (type: string, data: Readonly<Record<string, unknown>>) => void
  /** What was reported until now is on record. */
  readonly recorded: () => Promise<void>
}

/** For all attempts with one artifact. */
const TIMEOUT_MS = 10 * 60e3

type Allowed = Extract<PublishDecision, { allowed: true }>

interface Offered {
  readonly entry: PublishEntry
  readonly to: string
  readonly artifact: Artifact
}

/** Publishes what one job hands over once it has succeeded. The job has no part in it: no credential, no connection, no say. */
export class JobPublisher {
  readonly #parts: JobPublisherParts
  readonly #ended = new AbortController()
  readonly published: PublishedArtifact[] = []

  constructor(parts: JobPublisherParts) {
    this.#parts = parts
  }

  /** The job has ended: a publication that still runs is ended, too. */
  abort(): void {
    this.#ended.abort()
  }

  /**
   * All of it is taken, decided and on record before the first byte is sent; the first that fails is the last.
   *
   * @throws AgentError PUBLISH_FILE_INVALID, PUBLISH_DENIED, PUBLISH_FAILED, and those of a hand-over; PublisherError, SecretsError, SandboxError, StoreError
   */
  async publish(): Promise<void> {
    const { job, policy } = this.#parts
    if (job.matrix !== null)
      throw new AgentError('PUBLISH_DENIED', `Cannot publish for "${job.key}": the jobs of a matrix would all publish to the same place`, {
        hint: 'Publish from a job without a matrix that needs this one',
      })
    await using taken = new AsyncDisposableStack()
    const offered: Offered[] = []
    for (const entry of policy.entriesOf(job.id)) offered.push(await this.#take(entry, offered, taken))
    const allowed = this.#decideAll(offered)
    await this.#parts.recorded()
    for (const [index, each] of offered.entries()) await this.#send(each, allowed[index]?.declaration ?? null)
  }

  async #take(entry: PublishEntry, before: readonly Offered[], taken: AsyncDisposableStack): Promise<Offered> {
    const { policy, sandbox, workspace, stateDirectory, report } = this.#parts
    const bytesMax = policy.bytesMax - before.reduce((sum, { artifact }) => sum + artifact.bytes, 0)
    const directory = join(stateDirectory, 'publish')
    const artifact = taken.use(await takeArtifact(entry.path, { sandbox: sandbox(), workspace, directory, bytesMax }))
    report('publish.offered', { name: entry.name, path: entry.path, bytes: artifact.bytes, sha256: artifact.sha256 })
    return { entry, to: formatPublishTarget(entry.to), artifact }
  }

  /** One that is denied keeps the others back: half of what belongs together is published by nobody. */
  #decideAll(offered: readonly Offered[]): readonly Allowed[] {
    const decisions = offered.map((each) => ({ each, decision: this.#parts.policy.decide(each.entry) }))
    const denied = decisions.flatMap(({ each, decision }) => (decision.allowed ? [] : [{ each, decision }]))
    for (const { each, decision } of denied) {
      const { code, reason, rule } = decision
      this.#parts.report('publish.denied', { name: each.entry.name, to: each.to, code, reason, rule })
    }
    const first = denied[0]
    if (first !== undefined)
      throw new AgentError('PUBLISH_DENIED', `Nothing was published: "${first.each.entry.name}" may not be: ${first.decision.reason}`)
    return decisions.flatMap(({ each, decision }) => (decision.allowed ? [this.#allow(each, decision)] : []))
  }

  #allow({ entry, to, artifact }: Offered, decision: Allowed): Allowed {
    const { name, method, credential } = entry
    if (decision.declaration !== null) this.#parts.secrets.announce(decision.declaration)
    this.#parts.report('publish.allowed', { name, to, method, secret: credential?.secret ?? null, sha256: artifact.sha256 })
    return decision
  }

  async #send({ entry, to, artifact }: Offered, declaration: Allowed['declaration']): Promise<void> {
    const { name } = entry
    const { bytes, sha256 } = artifact
    const { report, job } = this.#parts
    try {
      this.#ended.signal.throwIfAborted()
      const { publishArtifact } = await import('@sallyport/publisher')
      const publication = await this.#publication(entry, declaration, artifact)
      const { status, digest } = assertPublished(await publishArtifact(publication, artifact.descriptor, this.#ended.signal), { name, to })
      report('publish.done', { name, to, status, bytes, sha256, digest })
      this.published.push({ job: job.key, name, to, bytes, sha256, digest })
    } catch (error) {
      report('publish.failed', { name, to, ...failureFacts(error) })
      throw error
    } finally {
      await this.#parts.secrets.endStep('')
    }
  }

  async #publication(
    { to, method, name, credential }: PublishEntry,
    declaration: Allowed['declaration'],
    artifact: Artifact,
  ): Promise<Publication> {
    const { bytes, sha256 } = artifact
    const value = declaration === null ? null : await this.#credential(name, declaration)
    const sending = { bytes, authorities: await this.#parts.policy.authorities(), timeoutMs: TIMEOUT_MS }
    if (to.tag !== null) {
      const registry = `https://${to.host}:${to.port}`
      return {
        kind: 'image',
        registry,
        repository: to.path.text.slice(1),
        tag: to.tag,
        credential: value,
        hosts: declaration?.hosts ?? [],
        ...sending,
      }
    }
    const place = credential?.place ?? null
    const inHeader = place === null || value === null ? null : { header: place.header, value: `${place.prefix}${value}` }
    return { kind: 'file', method, url: formatPublishTarget(to), credential: inHeader, sha256, ...sending }
  }

  /** Read when it is used, and not before. */
  async #credential(name: string, declaration: NonNullable<Allowed['declaration']>): Promise<string> {
    const bytes = await this.#parts.secrets.readOwn(declaration)
    const value = bytes.toString('latin1')
    bytes.fill(0)
    if (/^[\x20-\x7e]+$/.test(value)) return value
    throw new AgentError('PUBLISH_FAILED', `Cannot publish "${name}": the secret ${declaration.name} cannot stand in a header`, {
      hint: 'A header takes one line of printable ASCII',
    })
  }
}

function assertPublished(
  outcome: PublishOutcome,
  { name, to }: { readonly name: string; readonly to: string },
): Extract<PublishOutcome, { published: true }> {
  if (outcome.published) return outcome
  const { failure, message, mayBeThere } = outcome
  throw new AgentError(
    'PUBLISH_FAILED',
    `Cannot publish "${name}" to "${to}": ${message}${mayBeThere ? '; the server may have it all the same' : ''}`,
    {
      details: { failure, mayBeThere },
    },
  )
}

function failureFacts(error: unknown): Readonly<Record<string, unknown>> {
  const message = error instanceof Error ? error.message : String(error)
  const details = error instanceof AgentError && error.code === 'PUBLISH_FAILED' ? error.details : {}
  // Of a publisher that was lost nobody knows.
  const isLost = error instanceof SallyportError && error.code === 'PUBLISHER_LOST'
  return { failure: details['failure'] ?? (isLost ? 'lost' : 'not-sent'), message, mayBeThere: details['mayBeThere'] ?? isLost }
}
