// SPDX-License-Identifier: Apache-2.0
// Which sessions there are at which provider, on disk before any of them reads: what a broker that was killed has left, the next one ends.

import type { FileHandle } from 'node:fs/promises'
import { open, readdir, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { messageOf } from '@sallyport/core'
import { lockExclusively, makePrivateDirectory, syncDirectory } from '@sallyport/store'
import { SecretsError } from '../secrets-error.ts'

export interface NotedSession {
  readonly provider: string
  /** The provider's handle: it ends the session, and reveals nothing. */
  readonly handle: string
  readonly job: string
  /** When everything that it made has ended by itself; milliseconds since 1970. */
  readonly untilMs: number
}

const SUFFIX = '.leases'
const JOURNAL_BYTES_MAX = 16 * 2 ** 20
const HANDLE_LENGTH_MAX = 1024

/** One broker's sessions. The file is locked while its broker lives, and goes with the last session. */
export class LeaseJournal implements AsyncDisposable {
  readonly #path: string
  readonly #file: FileHandle
  #position: number
  readonly #open: Map<string, NotedSession>
  /** One write after the other. */
  #last: Promise<void> = Promise.resolve()

  private constructor(path: string, file: FileHandle, { bytes, open }: ReadSessions) {
    this.#path = path
    this.#file = file
    this.#position = bytes
    this.#open = open
  }

  static async create(directory: string, run: string): Promise<LeaseJournal> {
    if (!/^[A-Za-z0-9-]{1,64}$/.test(run)) throw new TypeError('a run that cannot be the name of a file')
    await makePrivateDirectory(directory)
    const path = join(directory, `${run}${SUFFIX}`)
    const file = await lockExclusively(path, 0)
    if (file === null) throw new TypeError('the journal of a run that another broker has')
    const journal = new LeaseJournal(path, file, { bytes: 0, open: new Map() })
    await syncDirectory(directory)
    return journal
  }

  /** Those of brokers that live no more. Whoever has one ends its sessions, and disposes of it. */
  static async *abandoned(directory: string): AsyncGenerator<LeaseJournal> {
    let damaged: SecretsError | null = null
    for (const name of await namesIn(directory)) {
      const path = join(directory, name)
      const file = await lockExclusively(path, 0)
      if (file === null) continue
      try {
        yield new LeaseJournal(path, file, await readSessions(path, file))
      } catch (error) {
        if (!(error instanceof SecretsError)) throw error
        await file.close()
        damaged ??= error
      }
    }
    // After the others: one that nobody can read keeps none of them alive.
    if (damaged !== null) throw damaged
  }

  get run(): string {
    return basename(this.#path, SUFFIX)
  }

  /** Sessions that are noted and have not ended. */
  get open(): readonly NotedSession[] {
    return [...this.#open.values()]
  }

  /** Resolves when it is on stable storage. */
  note(session: NotedSession): Promise<void> {
    if (session.handle.length > HANDLE_LENGTH_MAX) throw new TypeError('a handle that is too long')
    this.#open.set(keyOf(session), session)
    return this.#append({ noted: session })
  }

  ended(session: NotedSession): Promise<void> {
    this.#open.delete(keyOf(session))
    return this.#append({ ended: { provider: session.provider, handle: session.handle } })
  }

  #append(record: object): Promise<void> {
    const bytes = Buffer.from(`${JSON.stringify(record)}\n`)
    const written = this.#last.then(async () => {
      await this.#file.write(bytes, 0, bytes.length, this.#position)
      await this.#file.datasync()
      this.#position += bytes.length
    })
    this.#last = written.catch(() => undefined) // Whoever called is told; the next one writes over it.
    return written
  }

  /** The file goes, too, when nothing is open: while it is locked, so that no other broker takes it for one that was left. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#last
    if (this.#open.size === 0) await rm(this.#path, { force: true })
    await this.#file.close()
  }
}

export interface NotedJournal {
  readonly run: string
  /** Its broker is at work. */
  readonly isLive: boolean
  readonly sessions: readonly NotedSession[]
}

/** Of brokers that live, and of those that do not. */
export async function listNotedSessions(directory: string): Promise<readonly NotedJournal[]> {
  const found: NotedJournal[] = []
  const abandoned = new Map<string, readonly NotedSession[]>()
  for await (const journal of LeaseJournal.abandoned(directory)) {
    await using left = journal
    abandoned.set(left.run, left.open)
  }
  for (const name of await namesIn(directory)) {
    const run = name.slice(0, -SUFFIX.length)
    const left = abandoned.get(run)
    const sessions = left ?? (await readLive(join(directory, name)))
    if (sessions.length > 0) found.push({ run, isLive: left === undefined, sessions })
  }
  return found
}

/** Without its lock, which its broker has; the broker may end meanwhile, and the file with it. */
async function readLive(path: string): Promise<readonly NotedSession[]> {
  try {
    await using file = await open(path, 'r')
    return [...(await readSessions(path, file)).open.values()]
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return (await readdir(directory)).filter((name) => name.endsWith(SUFFIX)).sort()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

interface ReadSessions {
  /** Of whole lines. */
  readonly bytes: number
  readonly open: Map<string, NotedSession>
}

/** A line that was not written to its end is of a session that was not let read: nothing is lost with it. */
async function readSessions(path: string, file: FileHandle): Promise<ReadSessions> {
  const { size } = await file.stat()
  if (size > JOURNAL_BYTES_MAX) throw damagedError(path, `it has ${size} bytes`)
  const { buffer, bytesRead } = await file.read(Buffer.alloc(size), 0, size, 0)
  const text = buffer.subarray(0, bytesRead).toString()
  const whole = text.slice(0, text.lastIndexOf('\n') + 1)
  const open = new Map<string, NotedSession>()
  for (const line of whole.split('\n')) if (line !== '') apply(path, line, open)
  return { bytes: Buffer.byteLength(whole), open }
}

function apply(path: string, line: string, open: Map<string, NotedSession>): void {
  const { noted, ended } = parseLine(path, line)
  if (isSession(noted)) open.set(keyOf(noted), noted)
  if (ended !== undefined) open.delete(keyOf(ended as { provider: string; handle: string }))
}

function parseLine(path: string, line: string): { readonly noted?: unknown; readonly ended?: unknown } {
  try {
    return JSON.parse(line) as { noted?: unknown; ended?: unknown }
  } catch (error) {
    throw damagedError(path, messageOf(error))
  }
}

function damagedError(path: string, why: string): SecretsError {
  return new SecretsError('LEASE_NOT_REVOKED', `Cannot read which sessions "${path}" stands for: ${why}`, {
    hint: 'What they made ends by itself, at the latest when their jobs would have; look who could write there, then remove the file',
  })
}

function isSession(value: unknown): value is NotedSession {
  const { provider, handle, job, untilMs } = (value ?? {}) as Partial<Record<keyof NotedSession, unknown>>
  return typeof provider === 'string' && typeof handle === 'string' && typeof job === 'string' && typeof untilMs === 'number'
}

const keyOf = ({ provider, handle }: { readonly provider: string; readonly handle: string }): string => JSON.stringify([provider, handle])
