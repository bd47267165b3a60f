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

export type ReadEach = (path: string, content: AsyncIterable<Uint8Array> | null) => Promise<void>

/** Files of a sandbox, by the pump in it (native/src/put.c, list.c, read.c). See `Sandbox` for what each method promises. */
export class FilePump {
  readonly #start: (argv: readonly string[]) => StartedHelper
  #waiting: { readonly root: string; readonly helper: StartedHelper } | null = null

  /** `start` runs a mode of our helper inside, at the job's uid. */
  constructor(start: (argv: readonly string[]) => StartedHelper) {
    this.#start = start
  }

  /** One waits for the files that are put there next. Resolves with its host pid when it is in the sandbox. */
  async prepare(root: string): Promise<number> {
    const helper = this.#start(['put', root])
    this.#waiting = { root, helper }
    return helper.entered.begun
  }

  async putFiles(root: string, files: AsyncIterable<PutEntry> | Iterable<PutEntry>): Promise<{ files: number; bytes: number }> {
    const { entered, release } = this.#take(root) ?? this.#start(['put', root])
    const input = entered.input
    if (input === null) throw new TypeError('the pump has no input')
    const answer = collectText(entered.output)
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
    const match = /^ok (\d+) (\d+)\n$/.exec(text)
    if (match !== null) return { files: Number(match[1]), bytes: Number(match[2]) }
    // A source that could not be read says so itself.
    if (failure instanceof SallyportError) throw failure
    throw new SandboxError(
      'SANDBOX_FAILED',
      `Cannot write files into the sandbox: ${text.trim().slice(0, 500) || (await entered.exit).message || 'the pump ended early'}`,
    )
  }

  #take(root: string): StartedHelper | null {
    if (this.#waiting?.root !== root) return null
    const { helper } = this.#waiting
    this.#waiting = null
    return helper
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

/** Our helper's own short answer; bounded because a job may have got hold of the process that gives it. */
async function collectText(stream: AsyncIterable<Buffer>): Promise<string> {
  let text = ''
  for await (const part of stream) if (text.length < 65_536) text += part.toString()
  return text
}
