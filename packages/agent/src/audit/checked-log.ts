// SPDX-License-Identifier: Apache-2.0
// One look at a log, and what is wrong with what was seen.
import { type LogReport, type RememberedHead, type TreeHead, verifyLog } from '@sallyport/audit-log'
import { type PublicState, readPublicState } from '@sallyport/signer'
import type { LogLook } from '@sallyport/store'
import type { AuditPlace, VerifyOptions } from './contract.ts'
import { keysOf, type LocatedLog, type LogKeys } from './located-log.ts'
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
  const keys = keysOfLook(log, look, setting)
  const epochs = keys?.epochs ?? []
  // After the log: what it has let go of was in its archive before
  const unpruned = await findArchives(options.archives ?? archivesIn(log.directory), look.minimumIndex)
  const policy = await policyFor(setting, look.published, epochs)
  const report = await verifyLog({
    source: joined(look.published, unpruned),
    trust: { origin: keys?.origin ?? log.origin ?? '', epochs, policy: witnessesOf(policy) },
    clock: { nowS: nowS(), freshnessS: freshnessOf(setting, policy) },
    remembered: [...rememberedBy(setting), ...signedBy(look.also)],
    minimumIndex: unpruned.minimumIndex,
    hasOurEntries: true,
    expected: claims.flatMap(expectedBy),
    ...(log.isOwn && { durable: withArchives(look.durable, unpruned) }),
  })
  const { minimumIndex, isStill } = look
  return {
    checked: { report, keys, policy, unpruned, runsCompared: claims.length, isStill },
    minimumIndex,
  }
}

/** What a publication after the check has made of it: a checkpoint of the tree `of`, which was checked. */
export async function checkPublished({ log, setting }: LogToCheck, of: TreeHead): Promise<{ report: LogReport; keys: LogKeys }> {
  const look = await lookAtParts(log)
  const keys = keysOf({ ...log, signer: look.also }, setting.trusted)
  const policy = await policyFor(setting, look.published, keys.epochs)
  const trust = { origin: keys.origin, epochs: keys.epochs, policy: witnessesOf(policy) }
  // How old its entries are was asked before
  const clock = { nowS: nowS(), freshnessS: policy === null ? null : freshnessOf(setting, policy) }
  const remembered = [{ ...of, from: 'the check before' }, ...signedBy(look.also)]
  const report = await verifyLog({ source: look.published, trust, clock, remembered, minimumIndex: of.size, hasOurEntries: true })
  return { report, keys }
}

type Parts = LogLook<PublicState | null>

/** A bare tree has no writer that could be asked to hold still. */
async function lookAtParts(log: LocatedLog): Promise<Parts> {
  if (log.isWhole || log.isOwn) return lookAt(log, () => readPublicState(log.signerDirectory))
  const hasCheckpoint = (await log.source.read('checkpoint')) !== null
  return { published: log.source, hasCheckpoint, durable: { problem: '' }, minimumIndex: 0, also: log.signer, isStill: true }
}

function keysOfLook(log: LocatedLog, { also: signer, hasCheckpoint }: Parts, { trusted }: VerifySetting): LogKeys | null {
  const isNew = log.isOwn && trusted === null && signer === null && !hasCheckpoint
  return isNew ? null : keysOf({ ...log, signer }, trusted)
}

function rememberedBy({ remembered }: VerifySetting): RememberedHead[] {
  return remembered === null ? [] : [{ ...remembered.head, from: 'an earlier check' }]
}

function signedBy(signer: PublicState | null): RememberedHead[] {
  return signer === null || signer.latest === null ? [] : [{ ...signer.latest, from: 'the memory of its signer' }]
}

function withArchives(durable: Parts['durable'], unpruned: Unpruned): Parts['durable'] {
  return 'source' in durable ? { ...durable, source: joined(durable.source, unpruned) } : durable
}

function nowS(): number {
  return Math.floor(Date.now() / 1000)
}
