// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'

/**
 * A started helper that waits for its request, on the host (native/src/enter.c) or inside of a sandbox whose kernel is its own (native/src/inside.c).
 * It holds nothing of any step yet.
 */
export interface Warden {
  readonly place: 'host' | 'inside'
  readonly control: Writable
  readonly output: Readable
  readonly errors: Readable
  readonly results: Readable
  readonly input: Writable
  /** Resolves with how the warden ended; it may have done so before it was asked for anything. */
  readonly ended: Promise<string>
}

/**
 * Starting a process costs a supervisor of many threads some milliseconds: wardens are started ahead, while there is nothing to do but
 * wait, and each serves one step.
 */
export class WardenPool {
  readonly #start: () => Warden
  readonly #idle: Warden[] = []
  #closed = false

  /** `inside`: how the helper is started inside of the sandbox, as arguments of the helper outside. */
  constructor(helper: string, inside: readonly string[] | null = null) {
    this.#start = () => startWarden(helper, inside)
  }

  /** Starts wardens until `count` wait. */
  prepare(count: number): void {
    while (!this.#closed && this.#idle.length < count) {
      const warden = this.#start()
      this.#idle.push(warden)
      void warden.ended.then(() => this.#drop(warden))
    }
  }

  /** A warden for one step; another one is started for the next, once there is time. */
  take(): Warden {
    const warden = this.#idle.shift() ?? this.#start()
    setImmediate(() => this.prepare(1))
    return warden
  }

  /** Those that still wait end: their request never comes. */
  close(): void {
    this.#closed = true
    for (const warden of this.#idle.splice(0)) hangUp(warden)
  }

  #drop(warden: Warden): void {
    const index = this.#idle.indexOf(warden)
    if (index < 0) return
    this.#idle.splice(index, 1)
    hangUp(warden)
  }
}

/** Its request never comes: without it the warden ends. */
function hangUp({ control, input, output, errors, results }: Warden): void {
  for (const stream of [control, input, output, errors, results]) stream.destroy()
}

function startWarden(helper: string, inside: readonly string[] | null): Warden {
  const child = spawn(helper, inside ?? ['enter'], { stdio: ['pipe', 'pipe', 'pipe', 'pipe', 'pipe'], env: {}, cwd: '/' })
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('exit', (code, signal) => resolve(`the step's warden ended with ${signal ?? code}`))
  })
  const [control, output, errors, results, input] = child.stdio as unknown as [Writable, Readable, Readable, Readable, Writable]
  for (const stream of [control, input]) stream.on('error', ignoreClosed)
  for (const stream of [output, results]) holdUntilRead(stream)
  // Nothing waits for a warden: it ends with its step, or with us.
  child.unref()
  return { place: inside === null ? 'host' : 'inside', control, output, errors, results, input, ended }
}

/**
 * At the end of a child Node resumes whichever of its streams nobody reads yet, and what stands in them is gone. A step can be over before its
 * reader comes: until then the stream holds what it has.
 */
function holdUntilRead(stream: Readable): void {
  const resume = stream.resume
  stream.resume = () => stream
  stream.on('newListener', (event) => {
    if (event === 'data' || event === 'readable') stream.resume = resume
  })
}

function ignoreClosed(): void {
  // A warden that ended has said why on its result channel, or its exit is the reason: the failed write adds nothing.
}
