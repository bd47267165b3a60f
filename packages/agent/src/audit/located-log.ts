// SPDX-License-Identifier: Apache-2.0
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import {
  AuditLogError,
  formatVerifierKey,
  type KeyEpoch,
  parseCheckpoint,
  parseNote,
  parseVerifierKey,
  type TileSource,
  type TreeHead,
  trustedEpochs,
  type VerifierKey,
} from '@sallyport/audit-log'
import { type PublicState, readPublicState } from '@sallyport/signer'
import { AgentError } from '../agent-error.ts'
import { auditPlaces } from './audit-places.ts'
import type { AuditPlace } from './contract.ts'
import { readLogIdentity } from './log-identity.ts'
import { archivesIn, type ReadableLog, readableLog } from './readable-log.ts'

/** A log that is there to be read. */
export interface LocatedLog extends ReadableLog {
  readonly directory: string
  readonly signerDirectory: string
  /** Of this state directory; else a copy, or somebody else's. */
  readonly isOwn: boolean
  /** There is what a log's writer keeps; else it is a bare tree of tiles. */
  readonly isWhole: boolean
  /** As its files say; null where nothing says it. */
  readonly origin: string | null
  /** What its signer has noted; null where there never was one. */
  readonly signer: PublicState | null
  /** Of the signer, in its own words. */
  readonly epochs: readonly KeyEpoch[]
}

/** Finds it, as it stands. `archives`: where pruned parts of it are; null: beside it. @throws AgentError AUDIT_LOG_NOT_FOUND */
export async function locateLog({ stateDirectory, directory }: AuditPlace, archives: string | null = null): Promise<LocatedLog> {
  const places = directory === null ? auditPlaces(stateDirectory) : { log: directory, signer: join(dirname(directory), 'signer') }
  const isWhole = existsSync(join(places.log, 'log'))
  const readable = await readableLog(places.log, isWhole ? join(places.log, 'log') : places.log, archives ?? archivesIn(places.log))
  const signer = await readPublicState(places.signer)
  const origin = signer?.origin ?? (await readLogIdentity(places))?.origin ?? null
  if (origin === null && (await readable.source.read('checkpoint')) === null) throw notFound(places.log)
  const epochs = signer?.epochs ?? []
  return { ...readable, directory: places.log, signerDirectory: places.signer, isOwn: directory === null, isWhole, origin, signer, epochs }
}

function notFound(directory: string): AgentError {
  return new AgentError('AUDIT_LOG_NOT_FOUND', `Cannot find a log in "${directory}"`, {
    hint: 'Every run and exec writes one into its state directory; name it with --state DIR, or another log as an argument',
  })
}

export interface LogKeys {
  readonly origin: string
  readonly epochs: readonly KeyEpoch[]
  /** The key that signs now. */
  readonly key: string
}

/**
 * Those that the signer has noted; with `trusted`, those that it leads to.
 * @throws AgentError AUDIT_KEY_UNKNOWN
 */
export function keysOf({ signerDirectory, signer }: Pick<LocatedLog, 'signerDirectory' | 'signer'>, trusted: VerifierKey | null): LogKeys {
  const epochs = trusted === null ? (signer?.epochs ?? []) : epochsFrom(trusted, signer)
  const last = epochs.at(-1)
  if (last !== undefined) return { origin: last.key.name, epochs, key: formatVerifierKey(last.key) }
  throw new AgentError('AUDIT_KEY_UNKNOWN', `Cannot tell whose log it is: no signer has left its keys in "${signerDirectory}"`, {
    hint: 'Name the key that you trust, from where the log is written: --key NAME+ID+KEY, as sallyport audit verify prints it there',
  })
}

function epochsFrom(trusted: VerifierKey, signer: PublicState | null): readonly KeyEpoch[] {
  try {
    if (signer !== null) return trustedEpochs(trusted.name, trusted, signer.epochs)
  } catch (error) {
    // Nothing leads from the trusted key to the others: then it is the only one.
    if (!(error instanceof AuditLogError)) throw error
  }
  return [{ key: trusted, firstSize: 0, lastSize: null, seal: null }]
}

/** @throws AgentError AUDIT_KEY_INVALID */
export function parseTrustedKey(text: string): VerifierKey {
  try {
    return parseVerifierKey(text)
  } catch (error) {
    if (!(error instanceof AuditLogError)) throw error
    throw new AgentError('AUDIT_KEY_INVALID', `Cannot use "${text.slice(0, 200)}": it is no verifier key`, {
      hint: 'A key is one word, NAME+ID+KEY, as sallyport audit verify prints it',
    })
  }
}

export interface PublishedHead extends TreeHead {
  /** The signed checkpoint. */
  readonly note: Uint8Array
}

/** @throws AuditLogError for what is no checkpoint; AgentError AUDIT_LOG_NOT_FOUND where nothing is published */
export async function readHead({ source, directory }: Pick<LocatedLog, 'source' | 'directory'>): Promise<PublishedHead> {
  const head = await headOf(source)
  if (head === null) throw notFound(directory)
  return head
}

/** Null where nothing is published. @throws AuditLogError for what is no checkpoint */
export async function headOf(tree: TileSource): Promise<PublishedHead | null> {
  const note = await tree.read('checkpoint')
  if (note === null) return null
  const { size, root } = parseCheckpoint(parseNote(note).text)
  return { size, root, note }
}
