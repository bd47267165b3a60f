// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { encodeEntry, type LogEntry, SOURCE_OPENED } from '@sallyport/audit-log'
import {
  createRunStore,
  directoryTileSource,
  type LegalHold,
  LegalHolds,
  lockExclusively,
  makePrivateDirectory,
  minimumIndexOf,
  PayloadStore,
  pruneLog,
  syncDirectory,
  writeFileDurably,
} from '@sallyport/store'
import { AgentError } from '../agent-error.ts'
import { auditPlaces } from './audit-places.ts'
import { callerFacts } from './caller.ts'
import { type Change, type ChangeWork, dataOf, type Erasure } from './change.ts'
import { ChangeScan, LOG_SOURCE } from './change-scan.ts'
import { readCaller } from './config.ts'
import { changePath, digestOf, readUnfinished } from './held-now.ts'
import { holdsChanged } from './holds-changed.ts'
import { rotateLogKey } from './log-key.ts'
import { appendAndPublish, appendToLog } from './open-log.ts'
import type { Recorded } from './retention-contract.ts'

/** Others change the log for seconds, several on a host that has other work for longer; an archive of millions of entries may take a minute. */
const CHANGE_WAIT_MS = 60_000
const LOCK_WAIT_MS = 20_000
/** Whoever publishes at the moment may publish this, too. */
const PUBLISH = { purpose: 'interval', waitMs: 5000 } as const

/**
 * Changes to what is kept of the log, one process at a time. Each is noted in a file, then stands in the log, then is done, then the file goes: after
 * a kill anywhere in between, the next one who changes something finishes it first. So nothing goes without an entry that says so.
 *
 * @throws AgentError AUDIT_CHANGE_LOCKED, AUDIT_HOLDS_CHANGED, AUDIT_LOG_UNWRITABLE
 */
export async function changeLog<T>(stateDirectory: string, work: (session: ChangeSession) => Promise<T>): Promise<T> {
  const { log } = auditPlaces(stateDirectory)
  for (const path of [stateDirectory, log]) await makePrivateDirectory(path)
  await using _lock = await lockChanges(log)
  const unfinished = await readUnfinished(log)
  const scan = new ChangeScan(await minimumIndexOf(log), unfinished?.id ?? null)
  await scan.readPublished(directoryTileSource(join(log, 'log')))
  await appendToLog(stateDirectory, async (open) => scan.read(open.source, (await open.integrate()).size), { leaves: false })
  const session = new ChangeSession(stateDirectory, scan)
  if (unfinished !== null) await session.finish(unfinished)
  await session.readHolds()
  return await work(session)
}

async function lockChanges(log: string): Promise<AsyncDisposable> {
  const lock = await lockExclusively(join(log, 'change.lock'), CHANGE_WAIT_MS)
  if (lock !== null) return lock
  throw new AgentError('AUDIT_CHANGE_LOCKED', `Cannot change what is kept of the log in "${log}": another process is at it`, {
    hint: 'Wait until it is done',
  })
}

export class ChangeSession {
  readonly stateDirectory: string
  readonly #log: string
  readonly #scan: ChangeScan
  #finished: (Recorded & { readonly work: ChangeWork }) | null = null
  #holds: readonly LegalHold[] = []

  constructor(stateDirectory: string, scan: ChangeScan) {
    this.stateDirectory = stateDirectory
    this.#log = auditPlaces(stateDirectory).log
    this.#scan = scan
  }

  /** What was begun before, and was done first. */
  get finished(): (Recorded & { readonly work: ChangeWork }) | null {
    return this.#finished
  }

  /** In force. */
  get holds(): readonly LegalHold[] {
    return this.#holds
  }

  /** Whoever takes a hold out of the file does not get what it keeps erased. */
  async readHolds(): Promise<void> {
    this.#holds = await new LegalHolds(this.#log).list()
    if ((this.#scan.holdsDigest ?? digestOf([])) !== digestOf(this.#holds)) throw holdsChanged(this.#log)
  }

  /** Resolves when it stands in the log, and is done. */
  async make(work: ChangeWork): Promise<Recorded> {
    const change = { id: randomBytes(16).toString('hex'), at: new Date().toISOString(), actor: readCaller(), work }
    await writeFileDurably(changePath(this.#log), `${JSON.stringify(change)}\n`)
    return this.#carryOut(change)
  }

  async finish(change: Change): Promise<void> {
    this.#finished = { work: change.work, ...(await this.#carryOut(change)) }
  }

  async #carryOut(change: Change): Promise<Recorded> {
    const { work } = change
    const recorded = this.#scan.foundAt === null ? await this.#record(change) : { entry: this.#scan.foundAt, notices: [] }
    this.#scan.foundAt = null
    await this.#perform(work)
    if ('holds' in work) this.#holds = work.holds
    await rm(changePath(this.#log))
    await syncDirectory(this.#log)
    return recorded
  }

  async #record({ id, at, actor, work }: Change): Promise<Recorded> {
    const source = LOG_SOURCE
    const holds = 'holds' in work ? digestOf(work.holds) : (this.#scan.holdsDigest ?? digestOf([]))
    const { data, ...beside } = await callerFacts(new PayloadStore(this.#log), actor, { at, source })
    const { result, unpublished } = await appendAndPublish(
      this.stateDirectory,
      async (log) => {
        await this.#scan.read(log.source, (await log.integrate()).size)
        const first: readonly LogEntry[] =
          this.#scan.seq > 0 ? [] : [{ v: 1, at, source, seq: 1, type: SOURCE_OPENED, data: { host: hostname().toWellFormed() } }]
        const seq = this.#scan.seq + first.length + 1
        const entry: LogEntry = { v: 1, at, source, seq, type: work.type, data: { ...data, ...dataOf(work), change: id, holds }, ...beside }
        return log.append([...first, entry].map(encodeEntry))
      },
      PUBLISH,
    )
    this.#scan.holdsDigest = holds
    const notices = unpublished === null ? [] : [`this stands in the log, and the next checkpoint has it: ${unpublished.message}`]
    return { entry: result.last, notices }
  }

  async #perform(work: ChangeWork): Promise<void> {
    switch (work.type) {
      case 'hold.placed':
      case 'hold.released':
        return new LegalHolds(this.#log).replace(work.holds)
      case 'payload.erased':
        return erase(this.stateDirectory, work)
      case 'log.archived':
        return pruneLog(this.#log, work.end, { lockWaitMs: LOCK_WAIT_MS })
      case 'key.rotated':
        return rotateLogKey(this.stateDirectory, work.newKey)
    }
  }
}

async function erase(stateDirectory: string, { sources, classes, before }: Erasure): Promise<void> {
  const payloads = new PayloadStore(auditPlaces(stateDirectory).log)
  for await (const { commitment, about } of payloads.list()) {
    const isOld = before === null || about.at < before
    if (isOld && sources.includes(about.source) && classes.some((erased) => erased === about.class)) await payloads.erase(commitment)
  }
  const part = classes.includes('record') ? 'record' : classes.includes('output') ? 'output' : null
  const store = createRunStore(stateDirectory)
  for (const source of sources) if (part !== null && source.startsWith('run/')) await store.erase(source.slice('run/'.length), part)
}
