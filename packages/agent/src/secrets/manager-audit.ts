// SPDX-License-Identifier: Apache-2.0
// `sallyport secrets audit`: a manager's own audit log is read beside ours.
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { isNamedByCeiling, type OperatorFile } from '@sallyport/access'
import {
  type BrokerClient,
  ManagerAudit,
  type ManagerFinding,
  type ManagerLog,
  type ManagerLogReader,
  managerLogOf,
  type OwnJob,
  type ProviderDescription,
  startBroker,
} from '@sallyport/secrets'
import { loadOperator } from '../access/load-operator.ts'
import { AgentError } from '../agent-error.ts'
import type { OperatorLog } from '../audit/contract.ts'
import { openOperatorLog } from '../audit/operator-log.ts'
import type { ManagerAuditReport, ManagerAuditRequest } from './contract.ts'
import { leaseDirectory } from './lease-directory.ts'
import { chunksOf, FollowedFile, filesOf } from './log-files.ts'
import { type OwnReads, ownReads } from './own-reads.ts'
import { providersOf } from './providers.ts'

/** A job lasts at most so long: what it reads was read in a session that began so long before. */
const JOB_MS_MAX = 24 * 3600e3
/** Of reads that wait to be judged. */
const HELD_MAX = 50_000
/** On record one by one; more are counted. */
const RECORDED_MAX = 1000
const LOOK_EVERY_MS = 1000
/** What an audit device writes for what it hides: https://openbao.org/docs/audit/#sensitive-information. */
const HASHED = /^hmac-sha256:/

/** @throws AgentError SECRET_PROVIDER_UNKNOWN, MANAGER_LOG_UNREADABLE; SecretsError */
export async function auditManager(
  stateDirectory: string,
  request: ManagerAuditRequest,
  found: (finding: ManagerFinding) => void,
): Promise<ManagerAuditReport> {
  const { provider, operatorFile, follow } = request
  const operator = await loadOperator(operatorFile)
  const description = providersOf(operator, stateDirectory).find(({ name }) => name === provider)
  if (description === undefined) throw unknownProvider(provider)
  const manager = managerLogOf(description)
  if (follow !== null && !manager.isLines) throw cannotFollow(provider)
  const files = await filesOf(request.logs)
  await using comparison = new Comparison({ stateDirectory, request, found, manager, operator, description })
  return await comparison.run(files)
}

interface Parts {
  readonly stateDirectory: string
  readonly request: ManagerAuditRequest
  readonly found: (finding: ManagerFinding) => void
  readonly manager: ManagerLog
  readonly operator: OperatorFile | null
  readonly description: ProviderDescription
}

class Comparison implements AsyncDisposable {
  readonly #parts: Parts
  readonly #log: OperatorLog
  readonly #audit: ManagerAudit
  readonly #reader: ManagerLogReader
  #own: OwnReads = { sessions: new Map(), reads: [], paths: new Set() }
  /** By mark, as the manager's log shows it. */
  #ours = new Map<string, OwnJob>()
  readonly #hashes = new Map<string, string>()
  #broker: BrokerClient | null = null
  #findings = 0

  constructor(parts: Parts) {
    const { stateDirectory, request, manager, operator } = parts
    this.#parts = parts
    this.#log = openOperatorLog(stateDirectory)
    this.#reader = manager.open()
    const isWatched = (path: string): boolean =>
      request.all || this.#isGranted(path) || isNamedByCeiling({ secrets: operator?.secrets ?? null }, request.provider, path)
    const sinceMs = request.since === null ? Number.NEGATIVE_INFINITY : Date.parse(request.since)
    this.#audit = new ManagerAudit({ isWatched, namesOf: manager.namesOf, known: new Set(request.known), sinceMs })
  }

  async run(files: readonly string[]): Promise<ManagerAuditReport> {
    const { provider, logs, device, since, known, follow } = this.#parts.request
    await this.#log.record('secret.manager-audit', { provider, logs, device, since, known, follows: follow !== null })
    // What is granted says which of the manager's reads are of interest
    this.#own = await ownReads(this.#parts.stateDirectory, provider, null)
    for (const file of follow === null ? files : files.slice(0, -1)) await this.#readFile(file, follow === null && file === files.at(-1))
    const last = files.at(-1)
    if (follow !== null && last !== undefined) await this.#follow(last, follow)
    await this.#judge()
    await this.#load()
    await this.#tell(this.#audit.end(this.#own.reads))
    const report = this.#report(files.length)
    await this.#log.record('secret.manager-audited', { ...report })
    await this.#log.close()
    return report
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#broker?.[Symbol.asyncDispose]()
  }

  #isGranted(path: string): boolean {
    if (this.#own.paths.has(path)) return true
    const { namesOf } = this.#parts.manager
    return [...this.#own.paths].some((granted) => namesOf(granted).includes(path))
  }

  async #readFile(file: string, isLast: boolean): Promise<void> {
    let damage: string | null = null
    try {
      for await (const chunk of chunksOf(file)) await this.#take(file, chunk)
    } catch (error) {
      if (!isDamage(error)) throw error
      damage = error.message
    }
    const rest = [...this.#reader.endFile(isLast)]
    // What is left of a damaged file makes no sense by itself
    for (const entry of damage === null ? rest : []) this.#audit.add(file, entry)
    if (damage !== null) this.#audit.add(file, { kind: 'unreadable', line: 1, why: damage })
  }

  async #take(file: string, chunk: Uint8Array): Promise<void> {
    for (const entry of this.#reader.read(chunk)) {
      this.#audit.add(file, entry)
      if (this.#audit.held >= HELD_MAX) await this.#judge()
    }
  }

  async #follow(file: string, signal: AbortSignal): Promise<void> {
    await using followed = new FollowedFile(file)
    while (!signal.aborted) {
      for await (const what of followed.look()) {
        if (what.kind === 'chunk') await this.#take(file, what.bytes)
        else for (const entry of this.#reader.endFile(false)) this.#audit.add(file, entry)
        if (what.kind === 'cut') this.#audit.cut(file, 'the file became shorter while it was read')
      }
      await this.#judge()
      // Aborted: the loop sees it
      await sleep(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined)
    }
  }

  /** Our own log is read anew only for what it did not have yet. */
  async #judge(): Promise<void> {
    const isOurs = (mark: string): boolean => this.#ours.has(mark)
    if (this.#audit.hasUnknown(isOurs)) await this.#load()
    await this.#tell(this.#audit.judge(this.#ours))
  }

  async #load(): Promise<void> {
    const { stateDirectory, request } = this.#parts
    const fromMs = this.#audit.reach?.fromMs ?? null
    const since = fromMs === null ? null : new Date(fromMs - JOB_MS_MAX).toISOString()
    const own = await ownReads(stateDirectory, request.provider, since)
    this.#own = { ...own, paths: new Set([...this.#own.paths, ...own.paths]) }
    if (this.#audit.isHashed(HASHED)) await this.#hash([...own.sessions.keys()].filter((mark) => !this.#hashes.has(mark)))
    // As they are, too: a device may write them so, and a hash is nobody's mark
    this.#ours = new Map([...own.sessions].flatMap(([mark, job]) => [[mark, job] as const, [this.#hashes.get(mark) ?? mark, job] as const]))
  }

  async #hash(marks: readonly string[]): Promise<void> {
    if (marks.length === 0) return
    const { stateDirectory, request, description } = this.#parts
    const run = `audit-${randomBytes(4).toString('hex')}`
    const config = { providers: [description], leaseDirectory: leaseDirectory(stateDirectory), run }
    this.#broker ??= await startBroker(config, { event: () => undefined })
    for (const [mark, hash] of await this.#broker.hashMarks(request.provider, request.device, marks)) this.#hashes.set(mark, hash)
  }

  /** On record first. */
  async #tell(findings: readonly ManagerFinding[]): Promise<void> {
    const { request, found } = this.#parts
    for (const finding of findings) {
      this.#findings += 1
      if (this.#findings <= RECORDED_MAX) await this.#log.record('secret.finding', { provider: request.provider, ...finding })
      found(finding)
    }
  }

  #report(files: number): ManagerAuditReport {
    const { reach, counts } = this.#audit
    const iso = (ms: number | undefined): string | null => (ms === undefined ? null : new Date(ms).toISOString())
    const { provider } = this.#parts.request
    return { provider, files, from: iso(reach?.fromMs), to: iso(reach?.toMs), ...counts, findings: this.#findings }
  }
}

/** Of a zipped file; what is missing or forbidden is no finding, but an error. */
function isDamage(error: unknown): error is AgentError {
  const { code } = ((error as AgentError).cause ?? {}) as { readonly code?: unknown }
  return error instanceof AgentError && typeof code === 'string' && code.startsWith('Z_')
}

export function unknownProvider(provider: string): AgentError {
  return new AgentError('SECRET_PROVIDER_UNKNOWN', `Cannot read the audit log of "${provider}": there is no such provider`, {
    hint: 'Providers stand in the operator’s file, under providers; name it with --config',
  })
}

function cannotFollow(provider: string): AgentError {
  return new AgentError('MANAGER_LOG_UNREADABLE', `Cannot follow the audit log of "${provider}": its manager delivers whole files`, {
    hint: 'Call the command again when there are new ones, without --follow',
  })
}
