// SPDX-License-Identifier: Apache-2.0
// One look at a log, and what is wrong with what was seen.
import { type Finding, formatKeys, type LogReport, type RememberedHead, type TreeHead, verifyLog } from '@sallyport/audit-log'
import { type PublicState, readPublicState } from '@sallyport/signer'
import { directoryTileSource, type LogLook, RefusedFiles } from '@sallyport/store'
import type { AuditPlace, VerifyOptions } from './contract.ts'
import { agreedHolds, type HeldNow, readHeldNow } from './held-now.ts'
import { keysOf, type LocatedLog, type LogKeys, publishedKeys } from './located-log.ts'
import { archivesIn, findArchives, joined, type Unpruned } from './readable-log.ts'
import { expectedBy, readClaims } from './recorded-runs.ts'
import { freshnessOf, type NamedPolicy, policyFor, type VerifySetting, witnessesOf } from './verify-setting.ts'
import { lookAt } from './visible-log.ts'

/** A pruning while entries are read takes some of them away. */
const ATTEMPTS = 3

export interface LogToCheck {
  readonly place: AuditPlace
  readonly options: VerifyOptions
  readonly log: LocatedLog
  readonly setting: VerifySetting
}

export interface CheckedLog {
  readonly report: LogReport
  /** Null: nothing was ever signed. */
  readonly keys: LogKeys | null
  readonly policy: NamedPolicy | null
  /** Entries before its index were not there to be checked. */
  readonly unpruned: Unpruned
  readonly runsCompared: number
  readonly isStill: boolean
  /** The legal holds are not those that the log says; null: they are, or are none of ours to ask for. */
  readonly holds: Finding | null
  /** Files that are none of a log's, and were taken as missing. */
  readonly refused: readonly string[]
  /** Readers find the keys that its signer has noted; true where it has had one only. */
  readonly hasPublishedKeys: boolean
}

/** All of the log, as it stands. @throws AgentError AUDIT_KEY_UNKNOWN */
export async function checkLog(check: LogToCheck): Promise<CheckedLog> {
  for (let attempt = 1; ; attempt += 1) {
    const { checked, minimumIndex } = await checkOnce(check)
    const isSettled = checked.report.isSound || attempt === ATTEMPTS || !check.log.isWhole
    if (isSettled || (await lookAtParts(check.log)).minimumIndex === minimumIndex) return checked
  }
}

async function checkOnce({ place, options, log, setting }: LogToCheck): Promise<{ checked: CheckedLog; minimumIndex: number }> {
  // Before the log: what a record says is in the log was durable there before
  const claims = log.isOwn ? await readClaims(place.stateDirectory, log.origin) : []
  const look = await lookAtParts(log)
  const keys = await keysOfLook(log, look, setting)
  const epochs = keys?.epochs ?? []
  // After the log: what it has let go of was in its archive before
  const unpruned = await findArchives(options.archives ?? archivesIn(log.directory), look.minimumIndex, look.refused)
  const policy = await policyFor(setting, look.published, epochs)
  const report = await verifyLog({
    source: joined(look.published, unpruned, look.refused),
    trust: { origin: keys?.origin ?? log.origin ?? '', epochs, policy: witnessesOf(policy) },
    clock: { nowS: nowS(), freshnessS: freshnessOf(setting, policy) },
    remembered: [...rememberedBy(setting), ...signedBy(look.also.signer)],
    minimumIndex: unpruned.minimumIndex,
    hasOurEntries: true,
    expected: claims.flatMap(expectedBy),
    ...(log.isOwn && { durable: withArchives(look.durable, unpruned, look.refused) }),
  })
  const { minimumIndex, isStill, refused } = look
  return {
    checked: {
      report,
      keys,
      policy,
      unpruned,
      runsCompared: claims.length,
      isStill,
      refused: refused.messages,
      holds: log.isOwn ? holdsFinding(look.also.held, report) : null,
      hasPublishedKeys: !log.isOwn || (await arePublished(look)),
    },
    minimumIndex,
  }
}

/** What a publication after the check has made of it: a checkpoint of the tree `of`, which was checked. */
export async function checkPublished({ log, setting }: LogToCheck, of: TreeHead): Promise<{ report: LogReport; keys: LogKeys }> {
  const look = await lookAtParts(log)
  const keys = await keysOf({ ...log, signer: look.also.signer, published: look.published }, setting.trusted)
  const policy = await policyFor(setting, look.published, keys.epochs)
  const trust = { origin: keys.origin, epochs: keys.epochs, policy: witnessesOf(policy) }
  // How old its entries are was asked before
  const clock = { nowS: nowS(), freshnessS: policy === null ? null : freshnessOf(setting, policy) }
  const remembered = [{ ...of, from: 'the check before' }, ...signedBy(look.also.signer)]
  const report = await verifyLog({ source: look.published, trust, clock, remembered, minimumIndex: of.size, hasOurEntries: true })
  return { report, keys }
}

interface Also {
  readonly signer: PublicState | null
  readonly held: HeldNow
}

type Parts = LogLook<Also>

const NOTHING_HELD: HeldNow = { lists: [[]], problem: null }

/** A bare tree has no writer that could be asked to hold still. */
async function lookAtParts(log: LocatedLog): Promise<Parts> {
  if (log.isWhole || log.isOwn)
    return lookAt(log, async () => ({ signer: await readPublicState(log.signerDirectory), held: await readHeldNow(log.directory) }))
  const refused = new RefusedFiles()
  const published = directoryTileSource(log.directory, refused.add)
  const hasCheckpoint = (await published.read('checkpoint')) !== null
  return {
    published,
    hasCheckpoint,
    durable: { problem: '' },
    minimumIndex: 0,
    also: { signer: log.signer, held: NOTHING_HELD },
    refused,
    isStill: true,
  }
}

async function arePublished({ also: { signer }, published }: Parts): Promise<boolean> {
  const wanted = signer === null ? null : formatKeys(signer.epochs)
  const found = wanted === null ? null : formatKeys(await publishedKeys(published))
  return wanted === null || (found !== null && Buffer.from(found).equals(wanted))
}

async function keysOfLook(
  log: LocatedLog,
  { also: { signer }, hasCheckpoint, published }: Parts,
  { trusted }: VerifySetting,
): Promise<LogKeys | null> {
  const isNew = log.isOwn && trusted.length === 0 && signer === null && !hasCheckpoint
  return isNew ? null : keysOf({ ...log, signer, published }, trusted)
}

function rememberedBy({ remembered }: VerifySetting): RememberedHead[] {
  return remembered === null ? [] : [{ ...remembered.head, from: 'an earlier check' }]
}

function signedBy(signer: PublicState | null): RememberedHead[] {
  return signer === null || signer.latest === null ? [] : [{ ...signer.latest, from: 'the memory of its signer' }]
}

function withArchives(durable: Parts['durable'], unpruned: Unpruned, refused: RefusedFiles): Parts['durable'] {
  return 'source' in durable ? { ...durable, source: joined(durable.source, unpruned, refused) } : durable
}

/** Of a log that is not sound, nobody knows what it says of holds. */
function holdsFinding(held: HeldNow, { isSound, holdsDigest }: LogReport): Finding | null {
  if (!isSound || agreedHolds(held, holdsDigest) !== null) return null
  return {
    kind: 'holds-changed',
    severity: 'failure',
    manipulation: null,
    entries: null,
    path: null,
    message: held.problem ?? '"holds.json" is not the list of legal holds that the log says is in force',
    count: 1,
  }
}

function nowS(): number {
  return Math.floor(Date.now() / 1000)
}
