// SPDX-License-Identifier: Apache-2.0
import { type Finding, formatVerifierKey, hasKey, type KeyEpoch } from '@sallyport/audit-log'
import { type CheckedLog, checkLog, checkPublished, type LogToCheck } from './checked-log.ts'
import type { AuditPlace, AuditReport, VerifyOptions } from './contract.ts'
import { locateLog, parseTrustedKey } from './located-log.ts'
import { describeOpenRuns } from './open-runs.ts'
import { publishRest } from './publish-rest.ts'
import { writeRemembered } from './remembered-head.ts'
import { freshnessOf, readSetting, type VerifySetting } from './verify-setting.ts'

/** Runs that end while the log is checked make it longer: then it is checked again, so often at most. */
const ATTEMPTS = 3

/**
 * Everything about a log that can be checked from here.
 *
 * The log is taken as it stands: what root took away or put back must not be mended before anybody has looked. What is durable and has no
 * checkpoint yet is checked, too, and only if nothing at all is wrong it is published then. That destroys no evidence, since the new checkpoint grows
 * from what was just found to be whole; and to leave it would leave open the window in which entries can be changed without a trace. A log
 * that is not sound, and one that is named as a directory, stays as it is.
 */
export async function verifyAudit(place: AuditPlace, options: VerifyOptions): Promise<AuditReport> {
  const log = await locateLog(place, options.archives)
  const check = { place, options, log, setting: await readSetting(place, options, log.origin) }
  const { checked, publishedNow, problem } = await checkAndPublish(check)
  const report = await reportOf(check, checked)
  if (options.remember !== null && report.sound && report.key !== null && checked.report.head !== null)
    await writeRemembered(options.remember, { key: report.key, head: checked.report.head })
  return { ...report, publishedNow, notices: [...report.notices, ...(problem === null ? [] : [problem])] }
}

interface Published {
  readonly checked: CheckedLog
  readonly publishedNow: number
  /** Why what is durable has no checkpoint; null: it has, or is wrong. */
  readonly problem: string | null
}

async function checkAndPublish(check: LogToCheck): Promise<Published> {
  for (let attempt = 1; ; attempt += 1) {
    const checked = await checkLog(check)
    const { unpublished, head } = checked.report
    if (!check.log.isOwn || !isSound(checked, check.setting) || unpublished === null) return { checked, publishedNow: 0, problem: null }
    if (attempt > ATTEMPTS) return { checked, publishedNow: 0, problem: 'others write all the time, and publish' }
    const problem = await publishRest(check.place.stateDirectory)
    if (problem !== null) return { checked, publishedNow: 0, problem: `the last entries have no checkpoint: ${problem}` }
    const published = await checkPublished(check, unpublished)
    // Else others were faster with what was not checked
    if (published.report.head === null || published.report.head.size === unpublished.size)
      return { checked: joinedWith(checked, published), publishedNow: unpublished.size - (head?.size ?? 0), problem: null }
  }
}

/** What was found before, about the entries, with what was found of the new checkpoint. */
function joinedWith(before: CheckedLog, { report, keys }: Awaited<ReturnType<typeof checkPublished>>): CheckedLog {
  const { entriesChecked, unpublished, head, findings, openSources, archivedTo, holdsDigest } = before.report
  const known = new Set(findings.map(({ kind }) => kind))
  const count = entriesChecked + (unpublished?.size ?? 0) - (head?.size ?? 0)
  return {
    ...before,
    keys,
    report: {
      ...report,
      findings: [...report.findings.filter(({ kind }) => !known.has(kind)), ...findings],
      entriesChecked: count,
      openSources,
      archivedTo,
      holdsDigest,
      unpublished: null,
    },
  }
}

async function reportOf({ place, log, setting }: LogToCheck, checked: CheckedLog): Promise<Omit<AuditReport, 'publishedNow'>> {
  const { report, keys, policy, unpruned, runsCompared } = checked
  const { head, unpublished, entriesChecked, firstWrong } = report
  const beside = besideTree(checked, setting)
  const size = unpublished?.size ?? head?.size ?? 0
  return {
    sound: isSound(checked, setting),
    directory: log.directory,
    origin: keys?.origin ?? log.origin ?? '',
    size: head?.size ?? null,
    root: head === null ? null : Buffer.from(head.root).toString('base64'),
    key: keys?.key ?? null,
    keyChanges: changesOf(keys?.epochs ?? []),
    trust: setting.trust,
    policy: policyOf(checked, freshnessOf(setting, policy)),
    witnesses: report.witnesses.map(({ name, timestampS }) => ({ name, at: new Date(timestampS * 1000).toISOString() })),
    ...unpruned,
    entriesChecked,
    unpublished: size - (head?.size ?? 0),
    runsCompared,
    manipulation: report.manipulation ?? beside.find(({ manipulation }) => manipulation !== null)?.manipulation ?? null,
    firstWrong,
    findings: [...report.findings, ...beside],
    openRuns: await describeOpenRuns(report.openSources, log.isOwn ? place.stateDirectory : null, size),
    notices: [
      ...(log.isOwn && !checked.isStill ? ['the log could not be held still: what was read of it may be of different moments'] : []),
      ...checked.refused.map((refused) => `taken as missing: ${refused}`),
    ],
  }
}

function policyOf({ policy }: CheckedLog, freshnessS: number | null): AuditReport['policy'] {
  const quorum = policy?.policy.quorum ?? null
  return policy === null || quorum === null || freshnessS === null ? null : { path: policy.path, quorum, freshnessS }
}

function isSound(checked: CheckedLog, setting: VerifySetting): boolean {
  return checked.report.isSound && besideTree(checked, setting).every(({ severity }) => severity !== 'failure')
}

/** What is said of the log and is no part of its tree. */
function besideTree(checked: CheckedLog, setting: VerifySetting): Finding[] {
  return [pruningOf(checked), checked.holds, distrustOf(checked, setting), unpublishedKeysOf(checked)].filter((finding) => finding !== null)
}

/** A key that leads nowhere, and one that was seen to sign and is none of the log's any more: somebody has put others in their place. */
function distrustOf({ keys }: CheckedLog, { remembered }: VerifySetting): Finding | null {
  if (keys === null) return null
  const isForgotten = remembered !== null && !hasKey(keys.epochs, parseTrustedKey(remembered.key))
  const message = isForgotten ? `the key that an earlier check has seen is none of the log's: ${remembered.key}` : keys.problem
  if (message === null) return null
  return { kind: 'key-unvouched', severity: 'failure', manipulation: 'key-swapped', entries: null, path: null, count: 1, message }
}

function unpublishedKeysOf({ hasPublishedKeys }: CheckedLog): Finding | null {
  if (hasPublishedKeys) return null
  const message =
    'readers cannot follow the changes of its key: "keys" beside the tree is not what its signer has noted; audit publish writes it'
  return { kind: 'keys-unpublished', severity: 'notice', manipulation: null, entries: null, path: 'keys', count: 1, message }
}

function changesOf(epochs: readonly KeyEpoch[]): AuditReport['keyChanges'] {
  return epochs.slice(1).map(({ key, firstSize }, index) => ({
    size: firstSize,
    from: formatVerifierKey((epochs[index] as KeyEpoch).key),
    to: formatVerifierKey(key),
  }))
}

/** What is not there has to have been archived, and the log itself to say so: else whoever deletes its beginning would only have to say that it was pruned. */
function pruningOf({ unpruned: { minimumIndex: first }, report }: CheckedLog): Finding | null {
  if (first === 0) return null
  const facts = { kind: 'entries-pruned', entries: { first: 0, last: first - 1 }, path: null, count: 1 } as const
  if (report.archivedTo >= first)
    return {
      ...facts,
      severity: 'notice',
      manipulation: null,
      message: `the entries before ${first} were archived, and their archive is not here: they were not checked`,
    }
  return {
    ...facts,
    severity: 'failure',
    manipulation: 'entry-removed',
    message: `the entries before ${first} are not there, and no entry of the log says that they were archived`,
  }
}
