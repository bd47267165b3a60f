// SPDX-License-Identifier: Apache-2.0
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import {
  AuditLogError,
  followKeys,
  formatVerifierKey,
  KEYS_PATH,
  type KeyEpoch,
  parseCheckpoint,
  parseKeys,
  parseNote,
  parseVerifierKey,
  type RotatedEpoch,
  type TileSource,
  type TreeHead,
  type VerifierKey,
} from '@sallyport/audit-log'
import { type PublicState, readPublicState } from '@sallyport/signer'
import { StoreError } from '@sallyport/store'
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
  if (origin === null && !(await hasCheckpoint(readable.source))) throw notFound(places.log)
  const epochs = signer?.epochs ?? []
  return { ...readable, directory: places.log, signerDirectory: places.signer, isOwn: directory === null, isWhole, origin, signer, epochs }
}

/** Also something that is none: what it is, whoever checks says. */
async function hasCheckpoint(tree: TileSource): Promise<boolean> {
  try {
    return (await tree.read('checkpoint')) !== null
  } catch (error) {
    if (error instanceof StoreError) return true
    throw error
  }
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
  /** Why not all of the log's keys can be believed who say that they are; null: each step from one to the next is signed by both. */
  readonly problem: string | null
}

/** What says which keys the log has. */
export interface KeySources {
  readonly signerDirectory: string
  readonly signer: PublicState | null
  /** What is published beside a copy came with it; what lies where its signer would be perhaps did not. */
  readonly isOwn: boolean
  /** Where `keys` stands; read after the checkpoint, they have the key of it. */
  readonly published: TileSource
}

/**
 * Those that the signer has noted; with `trusted`, those that one of these leads to, by what the signer has noted or what is published.
 * @throws AgentError AUDIT_KEY_UNKNOWN
 */
export async function keysOf({ signerDirectory, signer, isOwn, published }: KeySources, trusted: readonly VerifierKey[]): Promise<LogKeys> {
  const own = signer?.epochs ?? []
  const [first] = own
  const said = isOwn ? [own, await publishedKeys(published)] : [await publishedKeys(published), own]
  const { epochs, problem } =
    trusted.length > 0
      ? followKeys(trusted, said)
      : { epochs: own, problem: first === undefined ? null : followKeys([first.key], [own]).problem }
  const last = epochs.at(-1)
  if (last !== undefined) return { origin: last.key.name, epochs, key: formatVerifierKey(last.key), problem }
  throw new AgentError('AUDIT_KEY_UNKNOWN', `Cannot tell whose log it is: no signer has left its keys in "${signerDirectory}"`, {
    hint: 'Name the key that you trust, from where the log is written: --key NAME+ID+KEY, as sallyport audit verify prints it there',
  })
}

/** None where no key was changed, and for what is no list of keys: then no key leads to another. */
export async function publishedKeys(tree: TileSource): Promise<readonly RotatedEpoch[]> {
  try {
    const bytes = await tree.read(KEYS_PATH)
    return bytes === null ? [] : parseKeys(bytes)
  } catch (error) {
    if (error instanceof AuditLogError || (error instanceof StoreError && error.code === 'STORE_CORRUPT')) return []
    throw error
  }
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
