// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto'
import { posix } from 'node:path'
import { fallen, hostImageEpoch, SANDBOX_PATHS, type SandboxImage, type SelfCheckResult, type Standing } from '@sallyport/sandbox'
import { type GateAccess, JobGate } from '../gate/job-gate.ts'
import type { JobImage } from '../images/job-image.ts'
import { assertAllHold, type PreparedSandbox, type PrepareInput, prepareSandbox } from './prepare-sandbox.ts'

/** All that a sandbox and its gate are made of before their job is known: jobs of one class get what differs in nothing but ids and keys. */
export type WarmClass = Pick<PrepareInput, 'stateDirectory' | 'isolation' | 'limits' | 'askedLimits' | 'directories'> & {
  /** What the gate is configured with. The doors of steps are none of it. */
  readonly access: GateAccess
}

export interface ClaimInput {
  readonly wanted: WarmClass
  /** Checked by the claimer just now; held by what is claimed from then on, and let go when nothing is. */
  readonly image: JobImage
  /** Of the job, not started. */
  readonly gate: JobGate
  /** An abort ends what was claimed. */
  readonly signal: AbortSignal
}

interface Waiting {
  readonly key: string
  /** Of the host, as it was then. */
  readonly epoch: string
  readonly gate: JobGate
  readonly made: Promise<Made>
  readonly stop: AbortController
  /** Of the monotonic clock. */
  readonly discardAt: number
}

interface Made {
  readonly prepared: PreparedSandbox
  /** Right after its self-check. Null: it has to be checked anew. */
  readonly standing: Standing | null
}

/** A sandbox that stood about for longer is made anew: what it was made from is looked at again. */
const AGE_MAX_MS = 10 * 60e3
/** From the claim to the first step. */
const CLAIM_MS = 30e3

/**
 * Sandboxes that wait for their jobs, each for one and never for a second. What waits is whole: its PID 1 runs, its gate has its configuration and sees no file any
 * more, and every canary has tried its wall. Nothing runs in it but our own PID 1 and pump; no door is open, and no secret was read. At the claim all that can have changed
 * since is looked at from outside, and has to be word for word what it was right after the self-check.
 */
export class WarmPool implements AsyncDisposable {
  readonly #waiting = new Set<Waiting>()
  readonly #ending = new Set<Promise<unknown>>()
  #isClosed = false

  /** Has `count` sandboxes of this class wait, as soon as they are made. Never throws: what cannot be made waits for nobody, and the job that would have had it says why. */
  fill(wanted: WarmClass, image: JobImage, count: number): void {
    const key = keyOf(wanted, image.spec)
    this.#discardStale()
    for (let have = this.#of(key).length; have < count && !this.#isClosed; have += 1) this.#prepare(wanted, image, key)
  }

  /**
   * Null: there is none, and the caller makes one.
   * @throws AgentError GUARANTEE_MISSING, naming what does not stand any more: the sandbox is gone by then, and nothing of the job has run. As `prepareSandbox`, too.
   */
  claim({ wanted, image, gate, signal }: ClaimInput): Promise<PreparedSandbox> | null {
    this.#discardStale()
    const found = this.#of(keyOf(wanted, image.spec))[0]
    if (found === undefined || signal.aborted) return null
    this.#waiting.delete(found)
    return handOver(found, { image, gate, signal })
  }

  /** Resolves when those that wait are made, or will never be. */
  async made(): Promise<void> {
    await Promise.allSettled([...this.#waiting].map(({ made }) => made))
  }

  /** How many wait. */
  get size(): number {
    return this.#waiting.size
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true
    for (const waiting of this.#waiting) this.#discard(waiting)
    await Promise.all(this.#ending)
  }

  #of(key: string): readonly Waiting[] {
    return [...this.#waiting].filter((waiting) => waiting.key === key)
  }

  #prepare(wanted: WarmClass, image: JobImage, key: string): void {
    const gate = new JobGate(wanted.access)
    const stop = new AbortController()
    const id = `warm-${randomBytes(4).toString('hex')}`
    // Nobody removes the image while something waits in it.
    const made = makeWaiting({ ...wanted, id, gate, image: image.hold(), signal: stop.signal })
    const discardAt = performance.now() + AGE_MAX_MS
    const waiting: Waiting = { key, epoch: hostImageEpoch(), gate, made, stop, discardAt }
    this.#waiting.add(waiting)
    const lost = (): void => {
      if (this.#waiting.has(waiting)) this.#discard(waiting)
    }
    made.then(({ prepared }) => prepared.lost.then(lost), lost)
  }

  #discardStale(): void {
    const epoch = hostImageEpoch()
    const now = performance.now()
    for (const waiting of this.#waiting) if (waiting.epoch !== epoch || waiting.discardAt < now) this.#discard(waiting)
  }

  #discard(waiting: Waiting): void {
    this.#waiting.delete(waiting)
    waiting.stop.abort()
    const ended = waiting.made.then(({ prepared }) => disposeOf(prepared), ignoreHeard)
    this.#ending.add(ended)
    void ended.finally(() => this.#ending.delete(ended))
  }
}

async function makeWaiting(input: PrepareInput): Promise<Made> {
  const prepared = await prepareSandbox(input)
  try {
    await prepared.sandbox.wait(posix.dirname(SANDBOX_PATHS.event), AGE_MAX_MS + CLAIM_MS)
    return { prepared, standing: await prepared.sandbox.standing() }
  } catch (error) {
    await disposeOf(prepared)
    throw error
  }
}

async function disposeOf({ sandbox, jobImage }: PreparedSandbox): Promise<void> {
  await sandbox[Symbol.asyncDispose]()
  await jobImage[Symbol.asyncDispose]()
}

function ignoreHeard(): void {
  // Whoever waits for the sandbox hears of it.
}

async function handOver(found: Waiting, { image, gate, signal }: Omit<ClaimInput, 'wanted'>): Promise<PreparedSandbox> {
  const start = performance.now()
  const stop = (): void => found.stop.abort()
  signal.addEventListener('abort', stop, { once: true })
  try {
    return await claimed(await found.made, start, { found, image, gate, signal })
  } catch (error) {
    await found.made.then(({ prepared }) => disposeOf(prepared), ignoreHeard)
    await image[Symbol.asyncDispose]()
    signal.throwIfAborted()
    throw error
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

async function claimed(
  { prepared, standing }: Made,
  start: number,
  { found, image, gate, signal }: Omit<ClaimInput, 'wanted'> & { readonly found: Waiting },
): Promise<PreparedSandbox> {
  signal.throwIfAborted()
  gate.become(found.gate)
  const began = performance.now()
  const checks = standing === null ? await prepared.sandbox.selfCheck(signal) : await lookAgain(prepared, standing)
  const failed = assertAllHold(checks, prepared.weaknesses)
  signal.throwIfAborted()
  // The claimer's own hold is what counts from here on.
  await prepared.jobImage[Symbol.asyncDispose]()
  const holding = checks.filter(({ holds }) => holds)
  const missing = [...new Set([...prepared.failed, ...failed])]
  return {
    ...prepared,
    jobImage: image,
    checks: holding,
    failed: missing,
    prepareMs: began - start,
    selfCheckMs: performance.now() - began,
  }
}

/** The results of the self-check, and what does not stand as it did then. */
async function lookAgain({ sandbox, checks }: PreparedSandbox, standing: Standing): Promise<readonly SelfCheckResult[]> {
  const now = await sandbox.standing()
  return [...checks, ...fallen(standing, now ?? [])]
}

function keyOf({ stateDirectory, isolation, limits, askedLimits, directories, access }: WarmClass, image: SandboxImage): string {
  return JSON.stringify([
    stateDirectory,
    isolation,
    Object.entries(limits).sort(),
    askedLimits,
    directories,
    access,
    Object.entries(image).sort(),
  ])
}
