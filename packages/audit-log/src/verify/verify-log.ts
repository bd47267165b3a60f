// SPDX-License-Identifier: Apache-2.0
// The check of a whole log, as its specifications (and what root on its host may have done) ask for it.
import { AuditLogError } from '../audit-log-error.ts'
import type { TileSource, TreeHead } from '../contract.ts'
import type { WitnessStatement } from '../policy/evaluate-policy.ts'
import { equalHashes } from '../tree/hash.ts'
import { proveConsistency } from '../tree/prove.ts'
import { TILE_WIDTH, tilePath } from '../tree/tile.ts'
import { TileHashes } from '../tree/tile-hashes.ts'
import { verifyConsistency } from '../tree/verify-proof.ts'
import {
  CHECKPOINT_PATH,
  CLOCK_DIFFERENCE_S,
  type Clock,
  checkSignatures,
  checkWitnesses,
  readCheckpoint,
  sealedHeads,
  type Trust,
} from './checkpoint-check.ts'
import { conclude } from './conclude.ts'
import { entryAt, type Finding, Findings, type Manipulation, type NewFinding } from './finding.ts'
import type { HeadCheck, RememberedHead } from './head-check.ts'
import { SourceLedger } from './source-ledger.ts'
import { type WalkResult, walkTree } from './tree-walk.ts'

export interface LogVerification {
  readonly source: TileSource
  readonly trust: Trust
  readonly clock: Clock
  /** Heads that the verifier, or somebody it believes, has seen before. The only thing that finds a log rolled back without a witness. */
  readonly remembered: readonly RememberedHead[]
  /** Entries before this one may be gone (tlog-tiles, "Pruning"); 0 unless a policy of retention says otherwise. */
  readonly minimumIndex: number
  /** The entries are ours: their form, sequence numbers and counts are checked, too. */
  readonly hasOurEntries: boolean
}

export interface LogReport {
  /** No failure among the findings. Then `head` is what to remember. */
  readonly isSound: boolean
  /** Of the checkpoint that is there; trusted only when `isSound`. */
  readonly head: TreeHead | null
  readonly witnesses: readonly WitnessStatement[]
  readonly findings: readonly Finding[]
  /** What fits best to all that was found. */
  readonly manipulation: Manipulation | null
  /** The first wrong entry; exact when both are the same. */
  readonly firstWrong: { readonly first: number; readonly last: number } | null
  /** Entries whose hash and tile agree. */
  readonly entriesChecked: number
  /** Sources that have not ended: running, or cut off. */
  readonly openSources: readonly string[]
}

/**
 * Never throws for what is in the log: that is a finding. Rejects when the source cannot be read, and for options that
 * make no sense. As much is read as the checkpoint says, even when nobody has signed it: a source that others answer
 * for is to have a bound of its own.
 */
export async function verifyLog(verification: LogVerification): Promise<LogReport> {
  const { source, trust, clock } = verification
  assertOptions(verification)
  const findings = new Findings()
  const read = await readCheckpoint(source, findings)
  if (read === null) return conclude({ head: null, witnesses: [], findings, walk: null, openSources: [] })
  const { note, checkpoint: head } = read
  checkSignatures(note, head, trust, findings)
  const witnesses = checkWitnesses(note, trust, clock, findings)
  const { walk, ledger } = await checkTree(verification, head, findings)
  const { openSources, lastAtMs } = ledger.finish()
  if (walk.endedAt === null) checkFreshness(verification, lastAtMs, findings)
  return conclude({ head, witnesses, findings, walk, openSources })
}

function assertOptions({ trust, clock, minimumIndex, hasOurEntries }: LogVerification): void {
  if (!Number.isSafeInteger(minimumIndex) || minimumIndex < 0) throw new RangeError(`${minimumIndex} is no index`)
  if (clock.freshnessS !== null && trust.policy.quorum === null && !hasOurEntries)
    throw new TypeError('Neither witnesses nor entries of ours can tell how fresh this log is')
}

async function checkTree(
  { source, trust, clock, remembered, minimumIndex, hasOurEntries }: LogVerification,
  head: TreeHead,
  findings: Findings,
): Promise<{ walk: WalkResult; ledger: SourceLedger }> {
  const seals = sealedHeads(trust, findings).map((seal) => ({ ...seal, from: 'the seal of an earlier key' }))
  const heads = [...remembered, ...seals]
  const firstBundle = Math.floor(Math.min(minimumIndex, head.size) / TILE_WIDTH)
  const atMaxMs = (clock.nowS + CLOCK_DIFFERENCE_S) * 1000
  const ledger = new SourceLedger(findings, { isPartlyUnseen: firstBundle > 0, atMaxMs })
  reportAhead(heads, head, findings)
  await checkPrunedHeads(source, heads, { head, start: firstBundle * TILE_WIDTH, findings })
  const walk = await walkTree({ source, size: head.size, firstBundle, heads, findings, ledger: hasOurEntries ? ledger : null })
  if (walk.endedAt === null) reportTree(walk, head, findings)
  return { walk, ledger }
}

function reportAhead(heads: readonly RememberedHead[], { size }: TreeHead, findings: Findings): void {
  for (const head of heads.filter((candidate) => candidate.size > size).toSorted((a, b) => b.size - a.size))
    findings.add({
      kind: 'head-ahead',
      manipulation: 'rolled-back',
      path: CHECKPOINT_PATH,
      entries: { first: size, last: head.size - 1 },
      message: `the log has ${size} entries and had ${head.size} (${head.from})`,
    })
}

/** Heads before the entries that are read: a proof from them to the checkpoint says as much, where the tiles for it are still there. */
async function checkPrunedHeads(
  source: TileSource,
  heads: readonly RememberedHead[],
  { head, start, findings }: { readonly head: TreeHead; readonly start: number; readonly findings: Findings },
): Promise<void> {
  const hashes = new TileHashes(source, head.size)
  for (const old of heads.filter(({ size }) => size > 0 && size < start)) {
    const proof = await proveConsistency(hashes, old.size, head.size).catch(asMissing)
    const entries = { first: 0, last: old.size - 1 }
    if (proof === null)
      findings.add({
        kind: 'head-unchecked',
        severity: 'notice',
        entries,
        message: `the first ${old.size} entries cannot be compared any more (${old.from})`,
      })
    else if (!verifyConsistency({ old, head, proof })) findings.add(differentHead(old, entries, 'forked'))
  }
}

/** A log that is pruned may lack the tiles of a proof. */
function asMissing(error: unknown): null {
  if (error instanceof AuditLogError && error.code === 'AUDIT_LOG_MISSING') return null
  throw error
}

function reportTree(walk: WalkResult, head: TreeHead, findings: Findings): void {
  const isTileRoot = equalHashes(walk.byTiles.tree.root(), head.root)
  const isEntryRoot = walk.byEntries !== null && equalHashes(walk.byEntries.tree.root(), head.root)
  const heads = isEntryRoot && walk.byEntries !== null ? walk.byEntries.heads : walk.byTiles.heads
  reportDifference(walk, isEntryRoot, findings)
  reportTile(walk, isTileRoot || isEntryRoot, findings)
  reportHeads(heads, head, findings)
  if (isTileRoot || isEntryRoot) return
  findings.add({
    kind: 'root-wrong',
    manipulation: 'rewritten',
    path: CHECKPOINT_PATH,
    entries: { first: Math.min(heads.lastSame, Math.max(head.size - 1, 0)), last: Math.max(head.size - 1, 0) },
    message: 'entries and tiles do not come to the root that was signed',
  })
}

function reportDifference({ difference }: WalkResult, isEntryRoot: boolean, findings: Findings): void {
  if (difference === null) return
  const { index, manipulation } = difference
  const path = tilePath({ level: 0, index: Math.floor(index / TILE_WIDTH), width: TILE_WIDTH })
  if (isEntryRoot)
    findings.add({
      kind: 'tile-wrong',
      manipulation: 'tile-edited',
      path,
      entries: entryAt(index),
      message: `the tile does not have the hash of entry ${index}, which is the one that was signed`,
    })
  else
    findings.add({
      kind: 'entry-wrong',
      manipulation,
      entries: entryAt(index),
      message: `entry ${index} is not the one whose hash stands in the tile`,
    })
}

function reportTile({ wrongTile }: WalkResult, isRight: boolean, findings: Findings): void {
  if (wrongTile === null) return
  const { path, entries, isMissing } = wrongTile
  const what = isMissing ? 'is not there' : `is not what is below it, for the entries ${entries.first} to ${entries.last}`
  // Where the leaves come to the signed root, only the tile was touched
  const manipulation = isRight ? 'tile-edited' : 'entry-edited'
  findings.add({ kind: isMissing ? 'tile-missing' : 'tile-wrong', manipulation, path, entries, message: `the tile ${path} ${what}` })
}

function reportHeads(heads: HeadCheck, { size }: TreeHead, findings: Findings): void {
  for (const head of heads.different) {
    const entries = { first: Math.min(heads.lastSame, Math.max(head.size - 1, 0)), last: Math.max(head.size - 1, 0) }
    findings.add(differentHead(head, entries, head.size === size ? 'two-views' : 'forked'))
  }
}

function differentHead({ size, from }: RememberedHead, entries: NonNullable<Finding['entries']>, manipulation: Manipulation): NewFinding {
  const message = `the first ${size} entries are not those that they were (${from})`
  return { kind: 'head-different', manipulation, path: CHECKPOINT_PATH, entries, message }
}

/** Without witnesses there is only what the log says about itself: it writes at intervals, so silence means that it stopped. */
function checkFreshness({ trust, clock }: LogVerification, lastAtMs: number | null, findings: Findings): void {
  if (clock.freshnessS === null || trust.policy.quorum !== null) return
  if (lastAtMs !== null && lastAtMs / 1000 >= clock.nowS - clock.freshnessS) return
  findings.add({ kind: 'stale', manipulation: 'log-stopped', message: `no entry is from the last ${clock.freshnessS} seconds` })
}
