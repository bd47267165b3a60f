// SPDX-License-Identifier: Apache-2.0
import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { AccessFile, RotationEntry } from '@sallyport/access'
import { type EventEnvelope, messageOf } from '@sallyport/core'
import {
  EMPTY_BASELINE,
  type Finding,
  formatBaseline,
  judgeRun,
  parseBaseline,
  type SecretDenial,
  type SecretRead,
  type WatchedGrant,
} from '@sallyport/secret-watch'
import { lockExclusively, readWhole, StoreError, writeFileDurably } from '@sallyport/store'
import type { Repository } from '../claim/repository.spawn.ts'
import { repositoryKey } from '../claim/repository-key.ts'

/** 2,048 entries of each kind are less. */
const BASELINE_BYTES_MAX = 16 << 20
/** Whoever has the lock reads and writes one small file. */
const LOCK_MS = 5000
/** A run's jobs decide how often they read: what is beyond is not looked at. */
const EVENTS_MAX = 20_000
/** In a document; the journal has them all. */
const FINDINGS_MAX = 1000

export interface SecretWatchParts {
  readonly stateDirectory: string
  readonly repository: Pick<Repository, 'slug' | 'root'>
  readonly file: AccessFile | null
  /** The operator's schedules. */
  readonly rotation: readonly RotationEntry[]
  readonly report: (finding: Finding) => void
  readonly notice: (message: string) => void
}

type Data = Readonly<Record<string, unknown>>

/** Watches who reads which secret, and tells what is odd: at once, or against earlier runs when the run ends. It decides nothing. */
export class SecretWatch {
  readonly #parts: SecretWatchParts
  readonly #granted = new Map<string, SecretRead>()
  readonly #reads: SecretRead[] = []
  readonly #denials: SecretDenial[] = []
  readonly #jobs = new Set<string>()
  readonly #overdue = new Set<RotationEntry>()
  readonly #findings: Finding[] = []
  readonly #path: string

  constructor(parts: SecretWatchParts) {
    this.#parts = parts
    this.#path = join(parts.stateDirectory, 'secret-watch', `${repositoryKey(parts.repository)}.json`)
  }

  get findings(): readonly Finding[] {
    return this.#findings
  }

  /** Every event of the run, in order. */
  observe({ type, job = '', step = '', at, data }: EventEnvelope): void {
    if (type === 'job.prepared') this.#jobs.add(job.split(' ', 1)[0] ?? job)
    const secret = String(data['name'])
    const key = JSON.stringify([job, step, secret])
    if (type === 'secret.granted') this.#granted.set(key, { ...readOf(data), secret, job, step, at })
    if (type === 'secret.denied') keep(this.#denials, { secret, job, step, code: String(data['code']), at })
    if (type !== 'secret.read') return
    this.#checkAge({ job, step, at, secret }, data)
    const granted = this.#granted.get(key)
    this.#granted.delete(key)
    if (granted !== undefined) keep(this.#reads, { ...granted, at })
  }

  /** Once in a run: how old the version is that a step was given. */
  #checkAge({ job, step, at, secret }: Pick<SecretRead, 'job' | 'step' | 'at' | 'secret'>, { provider, path, field, created }: Data): void {
    const entry = this.#parts.rotation.find((each) => each.provider === provider && each.path === path && each.field === field)
    if (entry === undefined || typeof created !== 'string' || this.#overdue.has(entry)) return
    if (Date.parse(at) - Date.parse(created) <= entry.everyMs) return
    this.#overdue.add(entry)
    const name = `${entry.provider}:${entry.path}${entry.field === null ? '' : `#${entry.field}`}`
    const hours = Math.floor(entry.everyMs / 3600e3)
    const message = `${secret} (${name}) is of ${created}, and the operator wants a new value every ${hours} h`
    this.add({ rule: 'overdue', severity: 'medium', job, step, at, message, remedy: `sallyport secrets rotate ${name}` })
  }

  /** Told at once. */
  add(finding: Finding): void {
    if (this.#findings.length < FINDINGS_MAX) this.#findings.push(finding)
    this.#parts.report(finding)
  }

  /** At the end of the run, before its log is closed. Never rejects: that nothing could be remembered is told, and ends no run. */
  async finish(): Promise<void> {
    const grants = grantsOf(this.#parts.file)
    if (grants.length === 0 && this.#denials.length === 0) return
    try {
      await this.#judge(grants)
    } catch (error) {
      this.#parts.notice(`what is usual for this repository's secrets could not be read or written: ${messageOf(error)}`)
    }
  }

  async #judge(grants: readonly WatchedGrant[]): Promise<void> {
    await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 })
    const lock = await lockExclusively(`${this.#path}.lock`, LOCK_MS)
    // Without it a run at the same time would be forgotten; what this one is judged by is whole all the same.
    if (lock === null) this.#parts.notice("another run holds what is usual for this repository's secrets: this run is not remembered")
    try {
      const at = new Date().toISOString()
      const run = { at, reads: this.#reads, denials: this.#denials, grants, jobs: [...this.#jobs] }
      const { findings, baseline } = judgeRun(await this.#baseline(), run)
      for (const finding of findings) this.add(finding)
      if (lock !== null) await writeFileDurably(this.#path, formatBaseline(baseline))
    } finally {
      await lock?.close()
    }
  }

  async #baseline(): Promise<typeof EMPTY_BASELINE> {
    const bytes = await readBounded(this.#path)
    if (bytes === null) return EMPTY_BASELINE
    const baseline = parseBaseline(bytes.toString())
    if (baseline !== null) return baseline
    this.#parts.notice(`"${this.#path}" is damaged: what is usual for this repository's secrets is learned anew`)
    return EMPTY_BASELINE
  }
}

/** Empty, which is no baseline, for a file that is larger than anybody would have written it. */
async function readBounded(path: string): Promise<Buffer | null> {
  try {
    return await readWhole(path, BASELINE_BYTES_MAX)
  } catch (error) {
    if (error instanceof StoreError && error.code === 'STORE_CORRUPT') return Buffer.alloc(0)
    throw error
  }
}

function readOf(data: Data): Pick<SecretRead, 'stepId' | 'delivery' | 'provider' | 'path'> {
  const { stepId, delivery, provider, path } = data
  return {
    stepId: typeof stepId === 'string' ? stepId : null,
    delivery: String(delivery),
    provider: String(provider),
    path: typeof path === 'string' ? path : null,
  }
}

function keep<T>(list: T[], item: T): void {
  if (list.length < EVENTS_MAX) list.push(item)
}

function grantsOf(file: AccessFile | null): readonly WatchedGrant[] {
  const hosts = new Map(file?.secrets.map((secret) => [secret.name, secret.hosts.length > 0]))
  return (file?.jobs ?? []).flatMap((job) =>
    job.steps.flatMap((step) =>
      step.secrets.map(({ secret, delivery, when, at }) => ({
        secret,
        job: job.id,
        stepId: step.id,
        delivery: delivery.kind,
        namesHosts: hosts.get(secret) === true,
        isConditional: Object.values(when).some((condition) => condition !== null),
        place: `${at.file}:${at.line}`,
      })),
    ),
  )
}
