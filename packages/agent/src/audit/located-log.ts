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
  type RotatedEpoch,
  type TileSource,
  type TreeHead,
  trustedEpochs,
  type VerifierKey,
} from '@sallyport/audit-log'
import { messageOf } from '@sallyport/core'
import { readPublicState } from '@sallyport/signer'
import { directoryTileSource } from '@sallyport/store'
import { AgentError } from '../agent-error.ts'
import { type AuditPlaces, auditPlaces } from './audit-places.ts'
import type { AuditPlace } from './contract.ts'
import { readLogIdentity } from './log-identity.ts'
import { appendAndPublish, appendToLog } from './open-log.ts'

/** A log that is there to be read, and whose keys are known. */
export interface LocatedLog {
  readonly directory: string
  readonly source: TileSource
  readonly origin: string
  readonly epochs: readonly KeyEpoch[]
  readonly key: string
  /** What the signer says that it signed last; null where it says nothing. */
  readonly signed: TreeHead | null
  readonly notices: readonly string[]
}

/**
 * Finds it. What is durable and not published yet is published first, where it is this machine's own log.
 *
 * @throws AgentError AUDIT_LOG_NOT_FOUND, AUDIT_KEY_UNKNOWN, AUDIT_KEY_INVALID
 */
export async function locateLog({ stateDirectory, directory, key }: AuditPlace): Promise<LocatedLog> {
  const places = directory === null ? auditPlaces(stateDirectory) : { log: directory, signer: join(dirname(directory), 'signer') }
  const notices = directory === null ? await publishRest(stateDirectory, places) : []
  const tree = existsSync(join(places.log, 'log')) ? join(places.log, 'log') : places.log
  const state = await readPublicState(places.signer)
  const source = directoryTileSource(tree)
  if (state === null && (await source.read('checkpoint')) === null) throw notFound(places.log)
  const trusted = key === null ? null : parseKey(key)
  const epochs = chooseEpochs(places, trusted, state?.epochs ?? [])
  const last = epochs.at(-1)
  if (last === undefined) throw new TypeError('a log has at least one epoch')
  const signed = state?.latest ?? null
  return { directory: places.log, source, origin: last.key.name, epochs, key: formatVerifierKey(last.key), signed, notices }
}

function chooseEpochs({ signer }: AuditPlaces, trusted: VerifierKey | null, known: readonly RotatedEpoch[]): readonly KeyEpoch[] {
  if (trusted === null && known.length > 0) return known
  if (trusted === null)
    throw new AgentError('AUDIT_KEY_UNKNOWN', `Cannot tell whose log it is: no signer has left its keys in "${signer}"`, {
      hint: 'Name the key that you trust, from where the log is written: --key NAME+ID+KEY, as sallyport audit verify prints it there',
    })
  try {
    if (known.length > 0) return trustedEpochs(trusted.name, trusted, known)
  } catch (error) {
    // Nothing leads from the trusted key to the others: then it is the only one.
    if (!(error instanceof AuditLogError)) throw error
  }
  return [{ key: trusted, firstSize: 0, lastSize: null, seal: null }]
}

function parseKey(text: string): VerifierKey {
  try {
    return parseVerifierKey(text)
  } catch (error) {
    if (!(error instanceof AuditLogError)) throw error
    throw new AgentError('AUDIT_KEY_INVALID', `Cannot use "${text.slice(0, 200)}": it is no verifier key`, {
      hint: 'A key is one word, NAME+ID+KEY, as sallyport audit verify prints it',
    })
  }
}

function notFound(directory: string): AgentError {
  return new AgentError('AUDIT_LOG_NOT_FOUND', `Cannot find a log in "${directory}"`, {
    hint: 'Every run and exec writes one into its state directory; name it with --state DIR, or another log as an argument',
  })
}

/** A log that cannot go on is read all the same: why it cannot is what its reader wants to know. */
async function publishRest(stateDirectory: string, places: AuditPlaces): Promise<readonly string[]> {
  if ((await readLogIdentity(places)) === null) return []
  try {
    const isWhole = await appendToLog(stateDirectory, async (log) => log.size === (log.published?.size ?? -1), { leaves: true })
    const { unpublished } = isWhole ? { unpublished: null } : await appendAndPublish(stateDirectory, async () => null)
    return unpublished === null ? [] : [`the last entries are not part of this: ${unpublished.message}`]
  } catch (error) {
    return [`the last entries could not be published, and are not part of this: ${messageOf(error)}`]
  }
}

export interface PublishedHead extends TreeHead {
  /** The signed checkpoint. */
  readonly note: Uint8Array
}

/** @throws AuditLogError for what is no checkpoint; AgentError AUDIT_LOG_NOT_FOUND */
export async function readHead({ source, directory }: LocatedLog): Promise<PublishedHead> {
  const note = await source.read('checkpoint')
  if (note === null) throw notFound(directory)
  const { size, root } = parseCheckpoint(parseNote(note).text)
  return { size, root, note }
}
