// SPDX-License-Identifier: Apache-2.0

/**
 * The set of values that must not appear in any sink, shared by all streams of a run.
 *
 * Adding a value takes effect for every byte that a stream has not released yet, so a caller adds
 * before the bytes that follow are written. Values come from users and from jobs
 * (`::add-mask::`), so both their content and their number are untrusted.
 */
export interface SecretSet {
  /**
   * Adds a value and its derived forms (each line of a multi-line value, base64 at every alignment,
   * URL, JSON, XML, hex). Returns what was refused, e.g. a value that is too short to mask without
   * masking everything; the caller reports that.
   */
  add(value: string): AddResult
  /** True when `text` holds any form of a value. */
  matches(text: string): boolean
  /** Masks a whole text at once. */
  redact(text: string): string
  createStream(): RedactionStream
  /** Number of masked values, forms not counted. */
  readonly size: number
}

/**
 * `too-short`, `too-common` and `too-simple`: masking the value would mask what is no secret, and tell it thereby. `too-many`: it, or all
 * of them together, are beyond the bounds.
 */
export type RefusalReason = 'too-short' | 'too-common' | 'too-simple' | 'too-many'

export type AddResult = { readonly masked: true } | { readonly masked: false; readonly reason: 'empty' | RefusalReason }

/**
 * One stream of bytes, e.g. a step's output. Constant memory; never holds back a byte that cannot be
 * the start of a secret.
 */
export interface RedactionStream {
  /** Bytes that are safe to release now, in order; may be a view of `chunk` when nothing was masked. */
  write(chunk: Uint8Array): Uint8Array
  /** The same bytes without copying any for being in one piece: what was held back stands before what the chunk has. None is empty. */
  pieces(chunk: Uint8Array): readonly Uint8Array[]
  /** The rest. The stream can be written again afterwards, as a new one. */
  end(): Uint8Array
  /** Bytes held back now. */
  readonly pendingBytes: number
  /** Occurrences masked so far. */
  readonly maskedCount: number
}
