// SPDX-License-Identifier: Apache-2.0
import { basename, join } from 'node:path'
import {
  AuditLogError,
  followKeys,
  type KeyEpoch,
  proveConsistency,
  TileHashes,
  type TreeHead,
  type VerifierKey,
  verifyConsistency,
} from '@sallyport/audit-log'
import {
  type ArchivedRange,
  directoryTileSource,
  makePrivateDirectory,
  minimumIndexOf,
  prunableIndex,
  type Retention,
  StoreError,
  sealArchive,
  verifyArchive,
} from '@sallyport/store'
import { AgentError } from '../agent-error.ts'
import { type ChangeSession, changeLog } from './change-session.ts'
import type { AuditPlace } from './contract.ts'
import { headOf, type LocatedLog, locateLog, parseTrustedKey, publishedKeys, readHead } from './located-log.ts'
import { publishRest } from './publish-rest.ts'
import { archivesIn } from './readable-log.ts'
import type { ArchiveCheck, ArchiveReport, ArchiveRequest } from './retention-contract.ts'
import { readRetention, retentionPath } from './retention-file.ts'

const LOCK_WAIT_MS = 20_000

/**
 * Moves the oldest entries, whole tiles of them, into an archive, as far as their time is over and nobody holds them. The log lets go of them when the
 * archive is durable, has been checked from its files, and stands in the log.
 */
export async function archiveLog(stateDirectory: string, { archive, before }: ArchiveRequest): Promise<ArchiveReport> {
  const retention = await retentionOf(stateDirectory, before)
  return changeLog(stateDirectory, async (session) => {
    // An archive ends where a checkpoint vouches for it.
    await publishRest(stateDirectory)
    const log = await locateLog({ stateDirectory, directory: null, key: null })
    const range = await archivableRange(log, { ...retention, holds: session.holds })
    if (range === null) return { made: null }
    const path = archive ?? (await defaultPath(log.directory, range))
    await sealArchive(log.directory, path, range, { lockWaitMs: LOCK_WAIT_MS })
    await verifyArchive(path, log.epochs)
    return { made: { ...range, archive: path, ...(await letGo(session, path, range)) } }
  })
}

function letGo(session: ChangeSession, path: string, { first, end }: ArchivedRange): ReturnType<ChangeSession['make']> {
  return session.make({ type: 'log.archived', first, end, archive: basename(path) })
}

/** Null: none. */
export async function archivableRange(log: LocatedLog, retention: Retention): Promise<ArchivedRange | null> {
  const head = await headOf(log.source)
  if (head === null) return null
  const first = await minimumIndexOf(log.directory)
  const end = await prunableIndex({ source: log.source, size: head.size, minimumIndex: first }, retention)
  return end > first ? { first, end } : null
}

async function retentionOf(stateDirectory: string, before: string | null): Promise<Omit<Retention, 'holds'>> {
  const entry = before === null ? (await readRetention(stateDirectory)).entry : 0
  if (entry === undefined)
    throw new AgentError('AUDIT_RETENTION_UNSET', 'Cannot archive a part of the log: nobody has said how long its entries are kept in it', {
      hint: `Write a line "keep entry DAYS" into "${retentionPath(stateDirectory)}", or name a time: --before 2026-01-01`,
    })
  return { policy: { keepDays: { entry }, classOf: () => 'entry' }, now: before === null ? new Date() : new Date(before) }
}

async function defaultPath(logDirectory: string, { first, end }: ArchivedRange): Promise<string> {
  const directory = archivesIn(logDirectory)
  await makePrivateDirectory(directory)
  return join(directory, `${padded(first)}-${padded(end)}`)
}

function padded(index: number): string {
  return String(index).padStart(12, '0')
}

/** Checks an archive by itself, and against the log that is here, where no key is named. */
export async function checkArchive(place: AuditPlace, archive: string): Promise<ArchiveCheck> {
  const log = place.key === null ? await locateLog(place) : null
  const epochs = log?.epochs ?? (await epochsFor(archive, place, parseTrustedKey(place.key ?? '')))
  try {
    const { first, end, head } = await verifyArchive(archive, epochs)
    const inLog = log === null ? null : await isGrownFrom(log, head)
    const problem = inLog === false ? 'the log that is here has not grown from its checkpoint' : null
    return { archive, problem, range: { first, end }, size: head.size, inLog }
  } catch (error) {
    if (!(error instanceof AuditLogError) && !(error instanceof StoreError && error.code === 'STORE_CORRUPT')) throw error
    return { archive, problem: error.message, range: null, size: null, inLog: null }
  }
}

/** Those that the key leads to: by what lies in the archive, which knows of no later key, or by what is published of a log that is here. */
async function epochsFor(archive: string, place: AuditPlace, trusted: VerifierKey): Promise<readonly KeyEpoch[]> {
  const log = await locateLog({ ...place, key: null }).catch((error: unknown) => {
    if (error instanceof AgentError && error.code === 'AUDIT_LOG_NOT_FOUND') return null
    throw error
  })
  const inLog = log === null ? [] : [log.signer?.epochs ?? [], await publishedKeys(log.source)]
  return followKeys([trusted], [...inLog, await publishedKeys(directoryTileSource(archive))]).epochs
}

/** Null: the tiles that would tell were pruned, and are in no archive here. */
async function isGrownFrom(log: LocatedLog, old: TreeHead): Promise<boolean | null> {
  const head = await readHead(log)
  if (old.size > head.size) return false
  if (old.size < log.minimumIndex) return null
  const proof = await proveConsistency(new TileHashes(log.source, head.size), old.size, head.size)
  return verifyConsistency({ old, head, proof })
}
