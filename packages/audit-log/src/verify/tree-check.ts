// SPDX-License-Identifier: Apache-2.0
// The entries and tiles: first what the checkpoint covers, as its readers see it, then what is durable behind that.
import { AuditLogError } from '../audit-log-error.ts'
import type { TileSource, TreeHead } from '../contract.ts'
import { equalHashes } from '../tree/hash.ts'
import { proveConsistency } from '../tree/prove.ts'
import { TILE_WIDTH } from '../tree/tile.ts'
import { TileHashes } from '../tree/tile-hashes.ts'
import { verifyConsistency } from '../tree/verify-proof.ts'
import type { Findings } from './finding.ts'
import type { RememberedHead } from './head-check.ts'
import type { SourceLedger } from './source-ledger.ts'
import { differentHead, reportAhead, reportBehind, reportTree } from './tree-report.ts'
import { type WalkResult, walkTree } from './tree-walk.ts'

/** The log as its writer would go on with it, published or not. */
export interface DurableTree {
  readonly source: TileSource
  readonly head: TreeHead
}

export interface TreeCheckOptions {
  readonly source: TileSource
  /** Of the checkpoint; null where none can be read. */
  readonly head: TreeHead | null
  readonly durable: DurableTree | null
  readonly heads: readonly RememberedHead[]
  /** A checkpoint is published only when witnesses have cosigned it. */
  readonly hasWitnesses: boolean
  readonly minimumIndex: number
  readonly findings: Findings
  /** Null: the entries are not ours. */
  readonly ledger: SourceLedger | null
}

export interface TreeChecked {
  /** Of those that the checkpoint covers. */
  readonly entriesChecked: number
  /** All entries were read that are there. */
  readonly isRead: boolean
  /** What was checked behind the checkpoint; null: nothing is there. */
  readonly unpublished: TreeHead | null
}

export async function checkTree(options: TreeCheckOptions): Promise<TreeChecked> {
  const { head, durable, heads, findings } = options
  const published = await checkPublished(options)
  if (durable === null || !published.isWhole) {
    if (head !== null) reportAhead(heads, head.size, findings)
    return { entriesChecked: published.entriesChecked, isRead: published.isRead, unpublished: null }
  }
  const { isRead, unpublished } = await checkRest(options, durable)
  return { entriesChecked: published.entriesChecked, isRead, unpublished }
}

interface PublishedChecked {
  readonly entriesChecked: number
  readonly isRead: boolean
  /** Entries and tiles are those of the checkpoint. */
  readonly isWhole: boolean
}

async function checkPublished({ source, head, heads, minimumIndex, findings, ledger }: TreeCheckOptions): Promise<PublishedChecked> {
  if (head === null) return { entriesChecked: 0, isRead: true, isWhole: true }
  const firstBundle = Math.floor(Math.min(minimumIndex, head.size) / TILE_WIDTH)
  await checkPrunedHeads(source, heads, { head, start: firstBundle * TILE_WIDTH, findings })
  const walk = await walkTree({ source, size: head.size, firstBundle, heads, findings, ledger, ledgerFrom: 0 })
  const isRead = walk.endedAt === null
  if (isRead) reportTree(walk, { head, rootIs: 'the root that was signed' }, findings)
  return { entriesChecked: walk.entriesChecked, isRead, isWhole: isRead && isAsSigned(walk, head) }
}

function isAsSigned({ difference, wrongTile, byTiles, byEntries }: WalkResult, { root }: TreeHead): boolean {
  return difference === null && wrongTile === null && byEntries === null && equalHashes(byTiles.tree.root(), root)
}

/** From the bundle on in which the checkpoint ends, so that it is compared with what follows it, too. */
async function checkRest(
  { head, heads, hasWitnesses, minimumIndex, findings, ledger }: TreeCheckOptions,
  durable: DurableTree,
): Promise<Pick<TreeChecked, 'isRead' | 'unpublished'>> {
  const size = head?.size ?? 0
  reportAhead(heads, Math.max(durable.head.size, size), findings)
  if (durable.head.size <= size) {
    const isSame = head !== null && durable.head.size === size && equalHashes(head.root, durable.head.root)
    if (!isSame && size > 0)
      findings.add(durableWrong(`it is of ${durable.head.size} entries, and ${size} are published, or its root is another`))
    return { isRead: true, unpublished: null }
  }
  const here = heads.filter((candidate) => candidate.size > size && candidate.size <= durable.head.size)
  const walk = await walkTree({
    source: durable.source,
    size: durable.head.size,
    firstBundle: Math.floor(Math.min(Math.max(size, minimumIndex), durable.head.size) / TILE_WIDTH),
    heads: head === null ? here : [{ ...head, from: 'the checkpoint' }, ...here],
    findings,
    ledger,
    ledgerFrom: size,
  })
  if (walk.endedAt === null) reportTree(walk, { head: durable.head, rootIs: 'the root that is durable' }, findings)
  const different = walk.byTiles.heads.different
  if (head !== null)
    reportBehind(
      here.filter((candidate) => !different.includes(candidate)),
      { size, hasWitnesses },
      findings,
    )
  return { isRead: walk.endedAt === null, unpublished: durable.head }
}

export function durableWrong(problem: string): Parameters<Findings['add']>[0] {
  return { kind: 'durable-wrong', message: `the writer cannot go on with what it has noted: ${problem}` }
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
