// SPDX-License-Identifier: Apache-2.0
// The check of a whole log, as its specifications (and what root on its host may have done) ask for it.
import type { TileSource, TreeHead } from '../contract.ts'
import type { WitnessStatement } from '../policy/evaluate-policy.ts'
import { TILE_WIDTH } from '../tree/tile.ts'
import {
  CLOCK_DIFFERENCE_S,
  type Clock,
  checkSignatures,
  checkWitnesses,
  readCheckpoint,
  sealedHeads,
  type Trust,
} from './checkpoint-check.ts'
import { conclude } from './conclude.ts'
import { ExpectedEntries, type ExpectedEntry } from './expected-entries.ts'
import { type Finding, Findings, type Manipulation } from './finding.ts'
import type { RememberedHead } from './head-check.ts'
import { SourceLedger } from './source-ledger.ts'
import { checkTree, type DurableTree, durableWrong } from './tree-check.ts'

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
  /**
   * What is durable on the log's host, or why that cannot be told: then what no checkpoint covers yet is checked, too. Nothing of it has to be
   * published, unless somebody remembers it. Without it, what is published is all.
   */
  readonly durable?: DurableTree | { readonly problem: string }
  /** Entries that somebody saw in the log. Those before `minimumIndex` are not looked at. */
  readonly expected?: readonly ExpectedEntry[]
}

export interface LogReport {
  /** No failure among the findings. Then `head` is what to remember. */
  readonly isSound: boolean
  /** Of the checkpoint that is there; trusted only when `isSound`. Null and sound: nothing was ever published. */
  readonly head: TreeHead | null
  /** The durable tree, where it is larger than that of the checkpoint. Nobody has signed it. */
  readonly unpublished: TreeHead | null
  readonly witnesses: readonly WitnessStatement[]
  readonly findings: readonly Finding[]
  /** What fits best to all that was found. */
  readonly manipulation: Manipulation | null
  /** The first wrong entry; exact when both are the same. */
  readonly firstWrong: { readonly first: number; readonly last: number } | null
  /** Entries of the checkpoint's tree whose hash and tile agree. */
  readonly entriesChecked: number
  /** Sources that have not ended: running, or cut off. */
  readonly openSources: readonly string[]
  /** Up to where an entry of the log says that entries were archived; whoever has a `minimumIndex` that is larger was not told so by the log. */
  readonly archivedTo: number
  /** Digest of the legal holds that are in force, as the log says; null where it says nothing. */
  readonly holdsDigest: string | null
}

/**
 * Never throws for what is in the log: that is a finding. Rejects when the source cannot be read, and for options that
 * make no sense. As much is read as the checkpoint says, even when nobody has signed it: a source that others answer
 * for is to have a bound of its own.
 */
export async function verifyLog(verification: LogVerification): Promise<LogReport> {
  const { source, trust, clock, minimumIndex, hasOurEntries, expected = [] } = verification
  assertOptions(verification)
  const findings = new Findings()
  const seals = sealedHeads(trust, findings).map((seal) => ({ ...seal, from: 'the seal of an earlier key' }))
  const heads = [...verification.remembered, ...seals]
  const durable = durableOf(verification, findings)
  const isNew = durable !== null && heads.length === 0
  const { head, witnesses } = await checkCheckpoint(source, { trust, clock, isNew, findings })
  const size = Math.max(head?.size ?? 0, durable?.head.size ?? 0)
  const expectedEntries = new ExpectedEntries(findings, expected)
  const atMaxMs = (clock.nowS + CLOCK_DIFFERENCE_S) * 1000
  const ledger = new SourceLedger(findings, { isPartlyUnseen: minimumIndex >= TILE_WIDTH, atMaxMs, expected: expectedEntries })
  const hasWitnesses = trust.policy.quorum !== null
  const tree = { source, hasWitnesses, head, durable, heads, minimumIndex, findings, ledger: hasOurEntries ? ledger : null }
  const { entriesChecked, isRead, unpublished } = await checkTree(tree)
  expectedEntries.finish(size)
  const { lastAtMs, ...said } = ledger.finish()
  if (isRead && (head !== null || size > 0)) checkFreshness(verification, lastAtMs, findings)
  return conclude({ head, witnesses, findings, entriesChecked, unpublished, ...said })
}

function assertOptions({ trust, clock, minimumIndex, hasOurEntries }: LogVerification): void {
  if (!Number.isSafeInteger(minimumIndex) || minimumIndex < 0) throw new RangeError(`${minimumIndex} is no index`)
  if (clock.freshnessS !== null && trust.policy.quorum === null && !hasOurEntries)
    throw new TypeError('Neither witnesses nor entries of ours can tell how fresh this log is')
}

function durableOf({ durable = null }: { readonly durable?: LogVerification['durable'] | null }, findings: Findings): DurableTree | null {
  if (durable === null || 'source' in durable) return durable
  findings.add(durableWrong(durable.problem))
  return null
}

/** `isNew`: nobody has seen a checkpoint of this log, so that there need not be one. */
async function checkCheckpoint(
  source: TileSource,
  { trust, clock, isNew, findings }: { readonly trust: Trust; readonly clock: Clock; readonly isNew: boolean; readonly findings: Findings },
): Promise<Pick<LogReport, 'head' | 'witnesses'>> {
  const read = await readCheckpoint(source, { isNew, findings })
  if (read === null) return { head: null, witnesses: [] }
  checkSignatures(read.note, read.checkpoint, trust, findings)
  return { head: read.checkpoint, witnesses: checkWitnesses(read.note, trust, clock, findings) }
}

/** Without witnesses there is only what the log says about itself: it writes at intervals, so silence means that it stopped. */
function checkFreshness({ trust, clock }: LogVerification, lastAtMs: number | null, findings: Findings): void {
  if (clock.freshnessS === null || trust.policy.quorum !== null) return
  if (lastAtMs !== null && lastAtMs / 1000 >= clock.nowS - clock.freshnessS) return
  findings.add({ kind: 'stale', manipulation: 'log-stopped', message: `no entry is from the last ${clock.freshnessS} seconds` })
}
