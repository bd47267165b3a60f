// SPDX-License-Identifier: Apache-2.0

/** Which check failed. */
export type FindingKind =
  | 'checkpoint-missing'
  | 'checkpoint-malformed'
  /** It bears no signature of a key that may sign for this log. */
  | 'checkpoint-unsigned'
  | 'signature-wrong'
  | 'origin-wrong'
  /** Signed by a key of the log, but not by one that signs trees of this size. */
  | 'epoch-wrong'
  /** The last checkpoint of an earlier key is missing, or is not that key's. */
  | 'seal-wrong'
  | 'quorum-missed'
  /** Nothing newer than the freshness that was asked for. */
  | 'stale'
  | 'bundle-missing'
  | 'bundle-malformed'
  /** An entry is not the one whose hash stands in the tile. */
  | 'entry-wrong'
  | 'tile-missing'
  /** A tile is not what the tiles below it come to. */
  | 'tile-wrong'
  /** Entries and tiles do not come to the signed root. */
  | 'root-wrong'
  /** A head that somebody remembers is larger than the log. */
  | 'head-ahead'
  /** A head that somebody remembers is larger than the checkpoint, and its entries are all there. */
  | 'checkpoint-behind'
  /** What the log's writer would go on with does not fit to the checkpoint, or is not there. */
  | 'durable-wrong'
  /** An entry that somebody saw in the log is another one now. */
  | 'entry-unexpected'
  /** An entry that somebody saw in the log would stand behind its end. */
  | 'entry-absent'
  /** A head that somebody remembers is not a beginning of the log. */
  | 'head-different'
  /** A head from before the minimum index cannot be compared any more. */
  | 'head-unchecked'
  | 'entry-malformed'
  | 'source-unopened'
  | 'source-reopened'
  | 'sequence-gap'
  | 'sequence-repeated'
  | 'source-count-wrong'
  | 'job-count-wrong'
  /** A source says itself that it could not record all. */
  | 'events-dropped'
  | 'clock-stepped'
  /** Entries are not kept in the log any more, and in no archive that is at hand. */
  | 'entries-pruned'
  /** The legal holds are not those that the log says are in force. */
  | 'holds-changed'
  /** Nothing that a trusted key has signed leads to the log's other keys. */
  | 'key-unvouched'
  /** What is published of the log's keys is not what its signer has noted. */
  | 'keys-unpublished'

/** What somebody may have done, so that this finding is what is left to see. */
export type Manipulation =
  | 'log-deleted'
  | 'checkpoint-edited'
  | 'signature-stripped'
  | 'key-swapped'
  | 'other-log'
  | 'epoch-resealed'
  | 'rolled-back'
  | 'forked'
  | 'two-views'
  | 'truncated'
  | 'entry-edited'
  | 'entry-inserted'
  | 'entry-removed'
  | 'entries-reordered'
  | 'rewritten'
  | 'tile-edited'
  | 'events-suppressed'
  | 'log-stopped'
  | 'witnesses-missing'

export interface Finding {
  readonly kind: FindingKind
  /** A notice is worth knowing and no proof of anything; every failure makes the log unsound. */
  readonly severity: 'failure' | 'notice'
  readonly manipulation: Manipulation | null
  /** Where: the entries from `first` to `last`; the first is wrong when both are the same. */
  readonly entries: { readonly first: number; readonly last: number } | null
  /** The file of the log that it was seen in. */
  readonly path: string | null
  readonly message: string
  /** Findings of this kind; all but the first are only counted. */
  readonly count: number
}

export type NewFinding = Omit<Finding, 'count' | 'severity' | 'path' | 'entries' | 'manipulation'> & Partial<Finding>

/** The first finding of each kind, and how many there were: bounded, however much is wrong. */
export class Findings {
  readonly #byKind = new Map<FindingKind, Finding>()

  add(finding: NewFinding): void {
    const earlier = this.#byKind.get(finding.kind)
    if (earlier === undefined)
      this.#byKind.set(finding.kind, { severity: 'failure', manipulation: null, entries: null, path: null, ...finding, count: 1 })
    else this.#byKind.set(finding.kind, { ...earlier, count: earlier.count + 1 })
  }

  has(kind: FindingKind): boolean {
    return this.#byKind.has(kind)
  }

  list(): Finding[] {
    return [...this.#byKind.values()]
  }
}

export function entryAt(index: number): { readonly first: number; readonly last: number } {
  return { first: index, last: index }
}
