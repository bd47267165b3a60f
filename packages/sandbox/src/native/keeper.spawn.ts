// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from 'node:child_process'
import type { Socket } from 'node:net'
import { SandboxError } from '../sandbox-error.ts'

export interface KeeperSetup {
  readonly id: string
  /** Absolute path of runc or crun. */
  readonly runtime: string
  readonly readOnly: boolean
  readonly layers: readonly { readonly target: string; readonly source: string }[]
  /** On the job's own disk, without an overlay in between. */
  readonly directories: readonly { readonly target: string; readonly mode: number }[]
  /** Made below those, parents first, owned by the job. */
  readonly subdirectories: readonly { readonly target: string; readonly mode: number }[]
  readonly config: Uint8Array
}

/**
 * The host process that owns one sandbox (native/src/keeper.c). Its end, for whatever reason, is the end of the sandbox, and our
 * end is its end: it watches the socket.
 */
export class Keeper {
  readonly #process: ChildProcess
  readonly #socket: Socket
  readonly #lines: LineQueue
  readonly #exited: Promise<void>
  /** Every process of the sandbox is dead and its cgroups are gone. */
  readonly #ended = Promise.withResolvers<void>()
  readonly #lost = Promise.withResolvers<string>()
  #disposing = false

  /** `template` and `spool`: the empty disk, and the directory for the (unlinked) copy of it. The keeper starts with that at once. */
  constructor(helper: string, disk: { readonly template: string; readonly spool: string }) {
    this.#process = spawn(helper, ['keeper', disk.template, disk.spool], {
      stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
      env: { PATH: RUNTIME_PATH },
      cwd: '/',
    })
    this.#socket = this.#process.stdio[3] as Socket
    this.#lines = new LineQueue(this.#socket)
    this.#exited = new Promise((resolve) => {
      this.#process.once('error', () => resolve())
      this.#process.once('exit', () => resolve())
    })
    void this.#exited.then(() => {
      this.#ended.resolve()
      if (!this.#disposing) this.#lost.resolve('the keeper of the sandbox ended')
    })
  }

  /** Resolves with the reason when PID 1 or the keeper ends before it was asked to. */
  get lost(): Promise<string> {
    return this.#lost.promise
  }

  /** The id range that this sandbox has for itself. */
  async claim(): Promise<{ readonly number: number; readonly idBase: number }> {
    const [number, idBase] = await this.#expect('slot')
    return { number: Number(number), idBase: Number(idBase) }
  }

  /** Mounts everything and has the runtime create the container. Resolves with the host pid of PID 1, which runs nothing yet. */
  async create(setup: KeeperSetup): Promise<number> {
    this.#send(formatSetup(setup))
    const [pid] = await this.#expect('created')
    return Number(pid)
  }

  /** Starts PID 1. */
  async start(): Promise<void> {
    this.#send('start\n')
    await this.#expect('started')
    void this.#watch()
  }

  /** Idempotent. Resolves when nothing of the sandbox is left. */
  async dispose(): Promise<void> {
    this.#disposing = true
    this.#socket.end()
    await this.#exited
  }

  /** As {@link dispose}, but resolves when all that is left is the kernel's release of mounts; that keeps no process of ours from ending. */
  async disposeInBackground(): Promise<void> {
    const disposed = this.dispose()
    await Promise.race([this.#ended.promise, disposed])
    this.#process.unref()
    this.#socket.unref()
  }

  #send(data: string | Uint8Array): void {
    this.#socket.write(data)
  }

  async #watch(): Promise<void> {
    for (;;) {
      const line = await this.#lines.next()
      if (line === null) return
      if (line === 'disposed') this.#ended.resolve()
      if (line === 'lost' && !this.#disposing) this.#lost.resolve('PID 1 of the sandbox ended')
    }
  }

  async #expect(word: string): Promise<string[]> {
    const line = await this.#lines.next()
    const [first, ...fields] = (line ?? '').split('\t')
    if (first === word) return fields
    await this.dispose()
    const reason = first === 'error' ? fields.join(' ') : 'the keeper ended early'
    throw new SandboxError('SANDBOX_FAILED', `Cannot build the sandbox: ${reason}`)
  }
}

// The runtime finds its own tools (newuidmap is not needed for root); nothing of the caller's environment goes along.
const RUNTIME_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

function formatSetup(setup: KeeperSetup): Buffer {
  const lines = [
    ['id', setup.id],
    ['runtime', setup.runtime],
    ...(setup.readOnly ? [['read-only']] : []),
    ...setup.layers.map(({ target, source }) => ['layer', target, source]),
    ...setup.directories.map(({ target, mode }) => ['dir', target, mode.toString(8)]),
    ...setup.subdirectories.map(({ target, mode }) => ['sub', target, mode.toString(8)]),
    ['config', String(setup.config.length)],
  ]
  return Buffer.concat([Buffer.from(lines.map(formatLine).join('')), setup.config, Buffer.from('create\n')])
}

function formatLine(fields: readonly string[]): string {
  for (const field of fields) {
    if (/[\t\n\0]/.test(field))
      throw new SandboxError('SANDBOX_INPUT', `Cannot use a path with a control character: ${JSON.stringify(field)}`)
  }
  return `${fields.join('\t')}\n`
}

/** Lines of a socket, asked for one at a time; null once it is closed. The keeper is ours: its lines are short. */
class LineQueue {
  readonly #ready: string[] = []
  readonly #waiting: ((line: string | null) => void)[] = []
  #partial = ''
  #closed = false

  constructor(socket: Socket) {
    socket.setEncoding('utf8')
    socket.on('data', (text: string) => this.#push(text))
    socket.on('error', () => this.#close())
    socket.on('close', () => this.#close())
  }

  next(): Promise<string | null> {
    const line = this.#ready.shift()
    if (line !== undefined) return Promise.resolve(line)
    if (this.#closed) return Promise.resolve(null)
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  #push(text: string): void {
    const lines = (this.#partial + text).split('\n')
    this.#partial = lines.pop() ?? ''
    for (const line of lines) {
      const waiting = this.#waiting.shift()
      if (waiting === undefined) this.#ready.push(line)
      else waiting(line)
    }
  }

  #close(): void {
    this.#closed = true
    for (const waiting of this.#waiting.splice(0)) waiting(null)
  }
}
