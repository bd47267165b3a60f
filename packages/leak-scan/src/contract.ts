// SPDX-License-Identifier: Apache-2.0

/** A credential where it should not be. The value is not in it. */
export interface Leak {
  /** `known-value`, or that of a pattern. */
  readonly rule: string
  /** Of a known value; null where several could be meant, and for patterns. */
  readonly name: string | null
  /** A file, and behind `!` what it is called in an archive. Untrusted: whoever made the archive chose it. */
  readonly place: string
  /** Of the first occurrence, from 1. */
  readonly line: number
  /** How it begins, which is the published prefix of its kind, and no more than a fifth of it. Empty for known values. */
  readonly head: string
  /** The first 64 bits of its SHA-256; null for known values, which may be short enough to be guessed from it. */
  readonly fingerprint: string | null
}

/** What could not be looked into. A search with some of it is no proof that there is nothing. */
export interface Unsearched {
  readonly place: string
  readonly reason: string
}

export interface LeakSinks {
  readonly found: (leak: Leak) => void
  readonly unsearched: (what: Unsearched) => void
}
