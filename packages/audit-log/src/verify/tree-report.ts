// SPDX-License-Identifier: Apache-2.0
// What it means that a tree is not the one that it should be.
import type { TreeHead } from '../contract.ts'
import { equalHashes } from '../tree/hash.ts'
import { TILE_WIDTH, tilePath } from '../tree/tile.ts'
import { CHECKPOINT_PATH } from './checkpoint-check.ts'
import { entryAt, type Finding, type Findings, type Manipulation, type NewFinding } from './finding.ts'
import type { HeadCheck, RememberedHead } from './head-check.ts'
import type { WalkResult } from './tree-walk.ts'

/** `rootIs`: `the root that was signed`. */
export function reportTree(
  walk: WalkResult,
  { head, rootIs }: { readonly head: TreeHead; readonly rootIs: string },
  findings: Findings,
): void {
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
    message: `entries and tiles do not come to ${rootIs}`,
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

/** That the tree is not the one of the checkpoint itself is said once. */
function reportHeads(heads: HeadCheck, { size, root }: TreeHead, findings: Findings): void {
  for (const head of heads.different) {
    if (head.size === size && equalHashes(head.root, root)) continue
    const entries = { first: Math.min(heads.lastSame, Math.max(head.size - 1, 0)), last: Math.max(head.size - 1, 0) }
    findings.add(differentHead(head, entries, head.size === size ? 'two-views' : 'forked'))
  }
}

export function differentHead(
  { size, from }: RememberedHead,
  entries: NonNullable<Finding['entries']>,
  manipulation: Manipulation,
): NewFinding {
  const message = `the first ${size} entries are not those that they were (${from})`
  return { kind: 'head-different', manipulation, path: CHECKPOINT_PATH, entries, message }
}

/** The log ends at `size`, and so do its last bytes. */
export function reportAhead(heads: readonly RememberedHead[], size: number, findings: Findings): void {
  for (const head of heads.filter((candidate) => candidate.size > size).toSorted((a, b) => b.size - a.size))
    findings.add({
      kind: 'head-ahead',
      manipulation: 'rolled-back',
      path: CHECKPOINT_PATH,
      entries: { first: size, last: head.size - 1 },
      message: `the log has ${size} entries and had ${head.size} (${head.from})`,
    })
}

/** All entries are there, and what readers are shown is less: nothing is lost, and somebody may have wanted that nobody sees it. */
export function reportBehind(
  heads: readonly RememberedHead[],
  { size, hasWitnesses }: { readonly size: number; readonly hasWitnesses: boolean },
  findings: Findings,
): void {
  const innocent = hasWitnesses ? 'by a crash, or for want of witnesses' : 'by a crash'
  for (const head of heads.toSorted((a, b) => b.size - a.size))
    findings.add({
      kind: 'checkpoint-behind',
      manipulation: hasWitnesses ? 'witnesses-missing' : 'rolled-back',
      path: CHECKPOINT_PATH,
      message: `the checkpoint is of ${size} entries, and ${head.size} were signed and are there (${head.from}): an older checkpoint was put back, or the last publication was broken off ${innocent}`,
    })
}
