// SPDX-License-Identifier: Apache-2.0
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { SallyportError } from '@sallyport/core'
import type { FileEntry, PutEntry } from '../contract.ts'
import { SandboxError } from '../sandbox-error.ts'
import type { StartedHelper } from '../self-check.ts'
import { ByteReader } from './byte-reader.ts'
import type { Entered } from './enter.ts'
import { putFrames, readFileAnswer, readListing, readRequest } from './file-frames.ts'

/** One that takes files as soon as they come. */
interface Waiting {
  readonly root: string
  readonly helper: StartedHelper
  /** What it said up to then is read. */
  readonly answer: ByteReader
}

/** As native/src/put.c says them. */
const READY = 'ready\n'
const PUT = /^(?:ready\n)?ok (\d+) (\d+)\n$/

export type ReadEach = (path: string, content: AsyncIterable<Uint8Array> | null) => Promise<void>

/** Files of a sandbox, by the pump in it (native/src/put.c, list.c, read.c). See `Sandbox` for what each method promises. */
export class FilePump {
  readonly #start: (argv: readonly string[]) => StartedHelper
  #waiting: Waiting | null = null

  /** `start` runs a mode of our helper inside, at the job's uid. */
  constructor(start: (argv: readonly string[]) => StartedHelper) {
    this.#start = start
  }

  /**
   * One waits for the files that are put there next. Resolves with its host pid when it has opened `root`.
   *
   * @throws SandboxError SANDBOX_FAILED when it cannot: none waits then.
   */
  async prepare(root: string): Promise<number> {
    const waiting = this.#startPut(root)
    const pid = await waiting.helper.entered.begun
    const said = await waiting.answer.read(READY.length)
    if (said?.toString() !== READY) {
      const failure = await putFailure(waiting, said?.toString() ?? '')
      waiting.helper.release()
      throw failure
    }
    this.#waiting = waiting
    return pid
  }

  async putFiles(root: string, files: AsyncIterable<PutEntry> | Iterable<PutEntry>): Promise<{ files: number; bytes: number }> {
    const waiting = this.#take(root) ?? this.#startPut(root)
    const { entered, release } = waiting.helper
    const input = entered.input
    if (input === null) throw new TypeError('the pump has no input')
    const answer = readText(waiting.answer)
    // A pump that ended early (disk full) has said why: its answer tells, the broken stream does not.
    const sending = pipeline(putFrames(files), input).catch((error: unknown) => error)
    let text: string
    let failure: unknown
    try {
      text = await answer
      failure = await Promise.race([sending, entered.exit.then(() => undefined)])
    } finally {
      release()
    }
    const match = PUT.exec(text)
    if (match !== null) return { files: Number(match[1]), bytes: Number(match[2]) }
    // A source that could not be read says so itself.
    throw failure instanceof SallyportError ? failure : await putFailure(waiting, text)
  }

  #startPut(root: string): Waiting {
    const helper = this.#start(['put', root])
    return { root, helper, answer: new ByteReader(helper.entered.output) }
  }

  #take(root: string): Waiting | null {
    if (this.#waiting?.root !== root) return null
    const waiting = this.#waiting
    this.#waiting = null
    return waiting
  }

  async listFiles(root: string, entriesMax: number): Promise<readonly FileEntry[]> {
    const { entered, kill, release } = this.#start(['list', root, String(entriesMax)])
    entered.input?.end()
    try {
      return await readListing(new ByteReader(entered.output), entriesMax)
    } catch (error) {
      throw await pumpFailure(error, entered)
    } finally {
      kill()
      hangUp(entered)
      await entered.exit
      release()
    }
  }

  async readFiles(root: string, paths: readonly string[], each: ReadEach): Promise<void> {
    const { entered, kill, release } = this.#start(['read', root, String(Number.MAX_SAFE_INTEGER)])
    const sending = pipeline(
      paths.map((path) => readRequest(path)),
      entered.input ?? failNoInput(),
    ).catch(() => undefined)
    try {
      const reader = new ByteReader(entered.output)
      for (const path of paths) {
        const content = await readFileAnswer(reader)
        await each(path, content === null ? null : keptOpen(content))
        // What the caller did not want stands before the next answer.
        if (content !== null) for await (const _ of content);
      }
    } catch (error) {
      throw await pumpFailure(error, entered)
    } finally {
      kill()
      hangUp(entered)
      await entered.exit
      await sending
      release()
    }
  }
}

/** An answer that ends early says less than the warden, when the pump could not even start: a job can have used up its own limits. */
async function pumpFailure(error: unknown, entered: Entered): Promise<unknown> {
  if (!(error instanceof SandboxError) || error.code !== 'SANDBOX_PROTOCOL') return error
  const exit = await Promise.race([entered.exit, sleep(1000, null, { ref: false })])
  if (exit === null || exit.kind === 'exited') return error
  const why = exit.kind === 'signalled' ? `what reads them was killed (signal ${exit.code})` : exit.message
  return new SandboxError('SANDBOX_FAILED', `Cannot reach the files of the sandbox: ${why}`, {
    hint: 'Processes that the job left running, and its files in /dev/shm and /run, may hold all that its limits allow',
  })
}

/** Of a generator that its reader may leave early: what is left of it stays to be read. */
function keptOpen(content: AsyncGenerator<Uint8Array>): AsyncIterable<Uint8Array> {
  return { [Symbol.asyncIterator]: () => ({ next: () => content.next() }) }
}

/** Nobody reads on: else the warden would wait for ever to pass on what the pump has written, and with it the pump's end. */
function hangUp(entered: Entered): void {
  entered.output.destroy()
}

function failNoInput(): never {
  throw new TypeError('the pump has no input')
}

/** `said`: what it has said already. */
async function putFailure({ helper, answer }: Waiting, said: string): Promise<SandboxError> {
  const text = said + (await readText(answer))
  const why = text.replace(READY, '').trim().slice(0, 500) || (await helper.entered.exit).message || 'the pump ended early'
  return new SandboxError('SANDBOX_FAILED', `Cannot write files into the sandbox: ${why}`)
}

const ANSWER_PART_MAX = 4096
const ANSWER_MAX = 65_536

/** Our helper's own short answer; bounded because a job may have got hold of the process that gives it. */
async function readText(reader: ByteReader): Promise<string> {
  let text = ''
  for (let part = await reader.readSome(ANSWER_PART_MAX); part !== null; part = await reader.readSome(ANSWER_PART_MAX))
    if (text.length < ANSWER_MAX) text += part.toString()
  return text
}
