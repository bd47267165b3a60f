// SPDX-License-Identifier: Apache-2.0
import { encodeEntry, formatVerifierKey, type KeyEpoch, noteVerifier, openNote, parseNote, proveEntry } from '@sallyport/audit-log'
import { readPublicState } from '@sallyport/signer'
import { AgentError } from '../agent-error.ts'
import type { AuditPlace, AuditProof, ShownEntry } from './contract.ts'
import { headOf, keysOf, type LocatedLog, locateLog, type PublishedHead, parseTrustedKey } from './located-log.ts'
import { publishRest } from './publish-rest.ts'
import { entriesOf, entryOf, findClaim, isEndOf, type RunClaim } from './run-range.ts'
import { lookAt, visibleLog } from './visible-log.ts'

/** That an entry of a run is in the log, for somebody who has neither. */
export async function proveRun(place: AuditPlace, run: string, index: number | null): Promise<AuditProof> {
  const log = await locateLog(place)
  const published = await headOf(log.source)
  const found = await findEntry(log, place, { run, index, size: published?.size ?? 0 })
  const head = published !== null && found.index < published.size ? published : await headWith(log, place, found.index)
  // After a publication, which perhaps made the first key
  const key = await keyOf({ ...log, signer: await readPublicState(log.signerDirectory) }, place, head)
  // An entry has one spelling: it need not be read again
  const entry = encodeEntry(found.entry)
  const proof = await proveEntry({ source: log.source, checkpoint: head.note, index: found.index, entry })
  return {
    proof: Buffer.from(proof).toString(),
    run: found.entry.source.slice('run/'.length),
    index: found.index,
    size: head.size,
    entry: found.entry,
    key,
  }
}

/**
 * The key that has signed the checkpoint: after a change of key that may still be the one before. Whoever gets a proof that leads to something else is told
 * that it is a forgery.
 *
 * @throws AuditLogError AUDIT_LOG_UNSIGNED
 */
async function keyOf(log: LocatedLog, { key: named }: AuditPlace, { note, size }: PublishedHead): Promise<string> {
  const { epochs } = await keysOf({ ...log, published: log.source }, named === null ? [] : [parseTrustedKey(named)])
  const covering = epochs.filter(({ firstSize, lastSize }) => firstSize <= size && size <= (lastSize ?? size))
  const signed = openNote(
    parseNote(note),
    covering.map(({ key }) => noteVerifier(key)),
  )
  const signer = covering.find(({ key }) => signed.some((signature) => signature.key === key)) as KeyEpoch
  return formatVerifierKey(signer.key)
}

interface Wanted {
  readonly run: string
  /** Null: the last one of the run. */
  readonly index: number | null
  /** Entries that are published: the others are looked for where they wait. */
  readonly size: number
}

/** Where the record of the run or the caller says which it is, nothing else is read. @throws AgentError AUDIT_ENTRY_NOT_FOUND */
async function findEntry(log: LocatedLog, place: AuditPlace, { run, index, size }: Wanted): Promise<ShownEntry> {
  if (index !== null) {
    const entry = await entryAt(log, index, size)
    if (entry !== null && isOf(entry, run)) return entry
    throw notFound(`entry ${index} of run "${run}" in the log`)
  }
  const claim = log.isOwn ? await findClaim(place.stateDirectory, run) : null
  if (claim === null || claim.origin !== log.origin) return scan(log, run)
  const entry = await entryAt(log, claim.last, size)
  if (entry !== null && isEndOf(claim.run, 'last', entry.entry)) return entry
  throw otherEntry(claim)
}

async function entryAt(log: LocatedLog, index: number, published: number): Promise<ShownEntry | null> {
  if (index < published) return entryOf(log.source, published, index)
  const { source, size } = await visibleLog(log)
  return entryOf(source, size, index)
}

function isOf({ entry }: ShownEntry, run: string): boolean {
  return entry.source.startsWith(`run/${run}`)
}

/** Of a run without a record here: the whole log is read. */
async function scan(log: LocatedLog, run: string): Promise<ShownEntry> {
  const { source, size } = await visibleLog(log)
  const sources = new Set<string>()
  let found: ShownEntry | null = null
  for await (const shown of entriesOf(source, size, Math.min(log.minimumIndex, size))) {
    if (!isOf(shown, run)) continue
    sources.add(shown.entry.source)
    found = shown
  }
  if (sources.size > 1)
    throw new AgentError('AUDIT_ENTRY_NOT_FOUND', `Cannot tell which run "${run}" is: ${sources.size} runs in the log begin with it`, {
      hint: 'Write more of the id: sallyport runs ls',
    })
  if (found === null) throw notFound(`run "${run}" in the log`)
  return found
}

function notFound(what: string): AgentError {
  return new AgentError('AUDIT_ENTRY_NOT_FOUND', `Cannot find ${what}`, { hint: 'See what there is: sallyport audit show' })
}

function otherEntry({ run, last }: RunClaim): AgentError {
  return new AgentError(
    'AUDIT_ENTRY_NOT_FOUND',
    `Cannot prove run "${run}": its record says that it ends with entry ${last}, which is another one`,
    {
      hint: 'The log or the record was changed: sallyport audit verify says what is wrong',
    },
  )
}

/** A checkpoint that covers the entry: one that has come meanwhile, or a new one. @throws AgentError AUDIT_ENTRY_NOT_FOUND */
async function headWith(log: LocatedLog, place: AuditPlace, index: number): Promise<PublishedHead> {
  const head = await headOf(log.source)
  if (head !== null && index < head.size) return head
  const problem = log.isOwn ? await publishBehind(log, place) : 'this log is somebody else’s to publish'
  const next = problem === null ? await headOf(log.source) : null
  if (next !== null && index < next.size) return next
  throw new AgentError('AUDIT_ENTRY_NOT_FOUND', `Cannot prove entry ${index}: no checkpoint covers it yet, and ${problem ?? 'none came'}`, {
    hint: 'The entry itself is durable; see what is wrong: sallyport audit verify',
  })
}

/** A checkpoint that was taken away is not put back here: then nobody would ever be told. */
async function publishBehind(log: LocatedLog, { stateDirectory }: AuditPlace): Promise<string | null> {
  const { published, also: signer } = await lookAt(
    log,
    async () => (await locateLog({ stateDirectory, directory: null, key: null })).signer,
  )
  const signed = signer?.latest?.size ?? 0
  const size = (await headOf(published))?.size ?? 0
  if (size < signed) return `the one that is there is of ${size} entries, although ${signed} were signed already`
  return publishRest(stateDirectory)
}
