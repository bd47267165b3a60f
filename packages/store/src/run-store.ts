// SPDX-License-Identifier: Apache-2.0
import { lstat, mkdir, readdir, rm } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { EventEnvelope } from '@sallyport/core'
import type { RunRecord, RunStore, RunSummary, StoredRun } from './contract.ts'
import { createFile, readWhole, syncDirectory } from './durable-file.ts'
import { eraseRecord } from './erase-record.ts'
import { readJournal } from './journal-reader.ts'
import { JournalWriter } from './journal-writer.ts'
import { checkOutput, outputBytes, readLog } from './log-file.ts'
import { makePrivateDirectory } from './private-directory.ts'
import { checkDocument, parseDocument } from './run-document.ts'
import { isRunId } from './run-id.ts'
import { isLocked, writeLock } from './run-lock.ts'
import { OpenRunRecord } from './run-record.ts'
import { errnoOf, StoreError } from './store-error.ts'

/** A document lists jobs, steps and outputs; larger than any that `finish` was ever given. */
const DOCUMENT_BYTES_MAX = 256 * 2 ** 20

/** Events looked at to find out how an unfinished run began. */
const HEAD_EVENTS_MAX = 16

/** `now` stamps the events. */
export function createRunStore(stateDirectory: string, now: () => Date = () => new Date()): RunStore {
  const root = resolve(stateDirectory)
  const runs = join(root, 'runs')
  return {
    create: (id) => createRun(root, runs, id, now),
    list: () => listRuns(runs),
    open: (idOrPrefix) => openRun(runs, idOrPrefix),
    erase: (id, part) => eraseRecord(runs, id, part),
    outputBytes: (id) => outputBytes(join(runs, id)),
  }
}

async function createRun(root: string, runs: string, id: string, now: () => Date): Promise<RunRecord> {
  if (!isRunId(id)) throw new TypeError(`"${id}" is no run id: lower-case letters, digits and dashes, at most 64`)
  const directory = join(runs, id)
  try {
    await makePrivateDirectory(root)
    await makePrivateDirectory(runs)
  } catch (error) {
    throw StoreError.from(`Cannot keep records in "${root}"`, error)
  }
  try {
    await mkdir(directory, { mode: 0o700 })
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') throw new StoreError('RUN_EXISTS', `Cannot create run "${id}": it exists`)
    throw StoreError.from(`Cannot create the record of run "${id}"`, error)
  }
  try {
    return await fillDirectory(id, directory, now)
  } catch (error) {
    await rm(directory, { recursive: true, force: true })
    throw StoreError.from(`Cannot create the record of run "${id}"`, error)
  }
}

async function fillDirectory(id: string, directory: string, now: () => Date): Promise<RunRecord> {
  await writeLock(directory)
  await mkdir(join(directory, 'log'), { mode: 0o700 })
  const journal = await createFile(join(directory, 'journal.jsonl'))
  const namesDurable = Promise.all([syncDirectory(directory), syncDirectory(dirname(directory))])
  return new OpenRunRecord(
    id,
    directory,
    new JournalWriter(
      id,
      journal,
      now,
      namesDurable.then(() => undefined),
    ),
  )
}

/** Whether that is its whole id: then nobody has to look at all the others. */
async function hasRun(runs: string, id: string): Promise<boolean> {
  try {
    return isRunId(id) && (await lstat(join(runs, id))).isDirectory()
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false
    throw StoreError.from(`Cannot look for the run "${id}"`, error)
  }
}

async function listIds(runs: string): Promise<string[]> {
  try {
    const entries = await readdir(runs, { withFileTypes: true })
    return entries.filter((entry) => entry.isDirectory() && isRunId(entry.name)).map((entry) => entry.name)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [] // Nothing ever ran.
    throw StoreError.from(`Cannot list the runs in "${runs}"`, error)
  }
}

/**
 * The documents of finished runs, the last `max` by id. A record that cannot be read, or is of a run that is not finished, is passed over: whoever wants
 * to know of those lists the runs.
 */
export async function* readDocuments(
  stateDirectory: string,
  max: number,
): AsyncGenerator<{ readonly id: string; readonly document: Readonly<Record<string, unknown>> }> {
  const runs = join(resolve(stateDirectory), 'runs')
  const ids = (await listIds(runs)).toSorted().slice(-max)
  for (const id of ids.toReversed()) {
    const document = await readDocument(join(runs, id)).catch(asUnreadable)
    if (document !== null) yield { id, document }
  }
}

function asUnreadable(error: unknown): null {
  if (error instanceof StoreError) return null
  throw error
}

async function listRuns(runs: string): Promise<readonly RunSummary[]> {
  const ids = await listIds(runs)
  const summaries: RunSummary[] = []
  for (const id of ids) summaries.push(await summarize(join(runs, id), id))
  return summaries.sort((a, b) => compare(b.startedAt, a.startedAt) || compare(b.id, a.id))
}

function compare(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}

async function summarize(directory: string, id: string): Promise<RunSummary> {
  try {
    const isLive = await isLocked(directory) // Asked first, as below.
    const document = await readDocument(directory)
    return document === null ? await summarizeUnfinished(directory, id, stateOf(isLive)) : summarizeDocument(id, document)
  } catch (error) {
    if (!(error instanceof StoreError) && errnoOf(error) === '') throw error
    // One broken record must not hide the others.
    return { id, startedAt: '', durationMs: null, conclusion: 'unreadable', workflows: [], observed: false }
  }
}

function summarizeDocument(id: string, document: Readonly<Record<string, unknown>>): RunSummary {
  const { startedAt, durationMs, conclusion, workflows, doors } = document
  return {
    id,
    startedAt: typeof startedAt === 'string' ? startedAt : '',
    durationMs: typeof durationMs === 'number' ? durationMs : null,
    conclusion: typeof conclusion === 'string' ? conclusion : 'unreadable',
    workflows: textsOf(workflows),
    observed: isRecord(doors) && doors['observed'] === true,
  }
}

async function summarizeUnfinished(directory: string, id: string, conclusion: string): Promise<RunSummary> {
  const head = await readHead(directory)
  const started = head.find((event) => event.type === 'run.started')?.data ?? {}
  const { workflows, egress } = started
  return { id, startedAt: head[0]?.at ?? '', durationMs: null, conclusion, workflows: textsOf(workflows), observed: egress === 'observe' }
}

async function readHead(directory: string): Promise<EventEnvelope[]> {
  const head: EventEnvelope[] = []
  try {
    for await (const event of readJournal(join(directory, 'journal.jsonl'), () => undefined)) {
      if (head.push(event) >= HEAD_EVENTS_MAX || event.type === 'run.started') break
    }
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw StoreError.from('Cannot read the journal', error) // A crash before the file was made.
  }
  return head
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}

function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []
}

async function openRun(runs: string, idOrPrefix: string): Promise<StoredRun> {
  const id = (await hasRun(runs, idOrPrefix)) ? idOrPrefix : pick(await listIds(runs), idOrPrefix)
  const directory = join(runs, id)
  const finished = await readDocument(directory)
  const isLive = finished === null && (await isLocked(directory))
  const document = finished ?? (await readDocument(directory)) // A run that ends now is seen as finished, not as interrupted.
  let tornBytes = 0
  return {
    id,
    directory,
    document,
    state: document === null ? stateOf(isLive) : 'finished',
    get tornBytes() {
      return tornBytes
    },
    events: () =>
      readJournal(join(directory, 'journal.jsonl'), (bytes) => {
        tornBytes = bytes
      }),
    readLog: (file, from, to) => readLog(directory, file, from, to),
    checkOutput: (range, commitment) => checkOutput(directory, range, commitment),
    checkDocument: async (commitment, place) => {
      const bytes = await readWhole(documentPath(directory), DOCUMENT_BYTES_MAX)
      return bytes === null ? 'gone' : checkDocument(bytes, commitment, place)
    },
  }
}

function stateOf(isLive: boolean): 'running' | 'interrupted' {
  return isLive ? 'running' : 'interrupted'
}

function pick(ids: readonly string[], idOrPrefix: string): string {
  const exact = ids.find((id) => id === idOrPrefix)
  const matches = exact === undefined && idOrPrefix !== '' ? ids.filter((id) => id.startsWith(idOrPrefix)).sort() : []
  const found = exact ?? (matches.length === 1 ? matches[0] : undefined)
  if (found !== undefined) return found
  if (matches.length === 0)
    throw new StoreError('RUN_NOT_FOUND', `Cannot find run "${idOrPrefix}"`, { hint: 'List the recorded runs with: sallyport runs ls' })
  throw new StoreError('RUN_AMBIGUOUS', `Cannot tell which run "${idOrPrefix}" is: ${matches.length} runs begin with it`, {
    hint: `Write more of the id: ${matches.slice(-5).join(', ')}`,
    details: { matches },
  })
}

function documentPath(directory: string): string {
  return join(directory, 'run.json')
}

async function readDocument(directory: string): Promise<Readonly<Record<string, unknown>> | null> {
  const path = documentPath(directory)
  const bytes = await readWhole(path, DOCUMENT_BYTES_MAX)
  if (bytes === null) return null
  try {
    return parseDocument(bytes.toString())
  } catch (error) {
    if (error instanceof SyntaxError) throw new StoreError('STORE_CORRUPT', `Cannot read "${path}": ${error.message}`, { cause: error })
    throw error
  }
}
