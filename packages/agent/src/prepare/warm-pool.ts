// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto'
import type { Duplex } from 'node:stream'
import { gateProgram } from '@sallyport/gate'
import { type GateLaunch, type GateReach, hostImageEpoch, type Sandbox, type SandboxImage, type SandboxSpec } from '@sallyport/sandbox'
import type { JobImage } from '../images/job-image.ts'
import { type BegunSandbox, beginSandbox, type PrepareInput, sandboxSpec } from './prepare-sandbox.ts'

/** All that a sandbox is made of before its job is known: jobs of one class get sandboxes that differ in nothing but their ids. */
export type WarmClass = Pick<PrepareInput, 'stateDirectory' | 'isolation' | 'limits' | 'askedLimits' | 'directories'>

export interface ClaimInput {
  readonly wanted: WarmClass
  /** Checked by the claimer just now. */
  readonly image: SandboxImage
  /** Of the job's own gate. */
  readonly launch: GateLaunch
  /** An abort ends what was claimed. */
  readonly signal: AbortSignal
}

interface Waiting {
  readonly key: string
  /** Of the host, as it was then. */
  readonly epoch: string
  readonly gate: UnclaimedGate
  readonly begun: Promise<BegunSandbox>
  readonly built: Promise<Sandbox>
  readonly spec: Promise<SandboxSpec>
  readonly stop: AbortController
  readonly discardAt: number
}

/** A sandbox that stood about for longer is made anew: what it was made from is looked at again. */
const AGE_MAX_MS = 10 * 60e3

/**
 * Sandboxes that wait for their jobs, each for one and never for a second. What waits has its id range, disk, layers, namespaces, cgroups and a gate, and nothing
 * runs in it: its PID 1 stands before its first instruction. Not before it is claimed does its gate learn what may leave, and make its authority; then PID 1 starts, every
 * canary tries its wall, and secrets are read, as for a sandbox that was made for the job. So a claim skips no check, and a waiting sandbox is worth nothing to anybody.
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

  /** Null: there is none, and the caller makes one. */
  claim({ wanted, image, launch, signal }: ClaimInput): Promise<BegunSandbox> | null {
    this.#discardStale()
    const found = this.#of(keyOf(wanted, image))[0]
    if (found === undefined || signal.aborted) return null
    this.#waiting.delete(found)
    found.gate.become(launch)
    const stop = (): void => found.stop.abort()
    signal.addEventListener('abort', stop, { once: true })
    const forget = (): void => signal.removeEventListener('abort', stop)
    found.built.then(forget, forget)
    return found.begun.then((begun) => handOver(begun, found, launch))
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
    const gate = new UnclaimedGate()
    const stop = new AbortController()
    const id = `warm-${randomBytes(4).toString('hex')}`
    // Nobody removes the image while something waits in it.
    const held = image.hold()
    const spec = held.then((own) => sandboxSpec({ ...wanted, gate, id }, own.spec))
    const begun = beginSandbox({ ...wanted, gate, signal: stop.signal })
    const built = Promise.all([begun, spec]).then(([{ beginning }, ready]) => beginning.build(ready))
    const letGo = (): unknown => held.then((own) => own[Symbol.asyncDispose]())
    // From there on the claimer's own hold is what counts.
    built.then(letGo, letGo).catch(ignoreHeard)
    const waiting: Waiting = { key, epoch: hostImageEpoch(), gate, begun, built, spec, stop, discardAt: Date.now() + AGE_MAX_MS }
    this.#waiting.add(waiting)
    const lost = (): void => {
      if (this.#waiting.has(waiting)) this.#discard(waiting)
    }
    built.catch(lost)
    gate.onLost(lost)
  }

  #discardStale(): void {
    const epoch = hostImageEpoch()
    for (const waiting of this.#waiting) if (waiting.epoch !== epoch || waiting.discardAt < Date.now()) this.#discard(waiting)
  }

  #discard(waiting: Waiting): void {
    this.#waiting.delete(waiting)
    waiting.stop.abort()
    const ended = Promise.all([endBeginning(waiting), waiting.built.then((sandbox) => sandbox[Symbol.asyncDispose](), ignoreHeard)])
    this.#ending.add(ended)
    void ended.finally(() => this.#ending.delete(ended))
  }
}

/** What has begun and was never built, since its image could not be held. */
async function endBeginning({ begun }: Waiting): Promise<void> {
  await begun.then(({ beginning }) => beginning[Symbol.asyncDispose](), ignoreHeard)
}

function ignoreHeard(): void {
  // Whoever waits for the sandbox hears of it.
}

/** A gate's process that waits for the job whose gate it becomes. */
class UnclaimedGate {
  readonly launch: GateLaunch
  readonly #control = Promise.withResolvers<Duplex>()
  readonly #reach = Promise.withResolvers<readonly GateReach[]>()
  readonly #ready = Promise.withResolvers<unknown>()

  constructor() {
    for (const { promise } of [this.#reach, this.#ready]) promise.catch(ignoreHeard)
    this.launch = { ...gateProgram(), reach: this.#reach.promise, ready: this.#ready.promise, attach: (control) => this.#hold(control) }
  }

  become({ attach, reach, ready }: GateLaunch): void {
    void this.#control.promise.then(attach)
    this.#reach.resolve(reach)
    this.#ready.resolve(ready)
  }

  /** Nothing is heard of a gate that was told nothing, but its end. */
  onLost(lost: () => void): void {
    void this.#control.promise.then((control) => control.on('close', lost).on('end', lost))
  }

  #hold(control: Duplex): void {
    control.on('error', ignoreHeard)
    this.#control.resolve(control)
  }
}

/** Whoever builds what has begun gets what was built, if it is what they ask for. */
function handOver(begun: BegunSandbox, waiting: Waiting, launch: GateLaunch): BegunSandbox {
  const build = async (asked: SandboxSpec, onWaiting?: () => void): Promise<Sandbox> => {
    if (contentOf(asked) !== contentOf(await waiting.spec) || asked.gate !== launch) throw new TypeError('a warm sandbox of another class')
    onWaiting?.()
    return await waiting.built
  }
  return { ...begun, beginning: { build, [Symbol.asyncDispose]: () => endBeginning(waiting) } }
}

function contentOf({ gate: _gate, id: _id, ...content }: SandboxSpec): string {
  return JSON.stringify(content)
}

function keyOf({ stateDirectory, isolation, limits, askedLimits, directories }: WarmClass, image: SandboxImage): string {
  return JSON.stringify([stateDirectory, isolation, Object.entries(limits).sort(), askedLimits, directories, Object.entries(image).sort()])
}
