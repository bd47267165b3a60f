// SPDX-License-Identifier: Apache-2.0
import { Buffer } from 'node:buffer'
import { STATES_MAX } from './automaton.ts'
import { CanonicalScanner } from './canonical-scanner.ts'
import type { AddResult, RedactionStream, SecretSet } from './contract.ts'
import { deriveAll, significantBytes, VALUE_BYTES_MAX } from './forms.ts'
import { type FormScanners, MaskingStream } from './masking-stream.ts'
import { Scanner } from './scanner.ts'
import { weaknessOf } from './strength.ts'

export interface SecretSetOptions {
  /** Untrusted: jobs add values without end through `::add-mask::`. Default and maximum 10,000. */
  readonly valuesMax?: number
  /**
   * Bytes of all derived forms, where forms that start alike share them. Each costs 12 bytes of memory, and 4 more once a text
   * led there; arrays grow by halves, and the tables on top take more. A value takes about 120 to 140 for each of its own bytes. Default and maximum
   * 2^24, which states and bytes share 32 bits with: 10,000 tokens of 16 bytes, 4,600 of 16 to 45, 2,000 of 64, or 50 private keys
   * of 3 KiB, in at most about 450 MB.
   */
  readonly formBytesMax?: number
}

const VALUES_MAX = 10_000
const FORM_BYTES_TOTAL_MAX = STATES_MAX - 1

export function createSecretSet(options: SecretSetOptions = {}): SecretSet {
  return new MaskedValues(
    Math.min(options.valuesMax ?? VALUES_MAX, VALUES_MAX),
    Math.min(options.formBytesMax ?? FORM_BYTES_TOTAL_MAX, FORM_BYTES_TOTAL_MAX),
  )
}

class MaskedValues implements SecretSet {
  readonly #forms: FormScanners = { exact: new Scanner(), canonical: new CanonicalScanner() }
  /** For whole texts. */
  readonly #own: MaskingStream = new MaskingStream(this.#forms)
  readonly #values: Set<string> = new Set()
  readonly #valuesMax: number
  readonly #formBytesMax: number
  /** Size of the smallest value that did not fit: as long a one is not tried again, since deriving its forms is work too. */
  #refusedBytes = Number.POSITIVE_INFINITY

  constructor(valuesMax: number, formBytesMax: number) {
    this.#valuesMax = valuesMax
    this.#formBytesMax = formBytesMax
  }

  get size(): number {
    return this.#values.size
  }

  add(value: string): AddResult {
    const bytes = significantBytes(value)
    if (bytes === 0) return { masked: false, reason: 'empty' }
    const weakness = weaknessOf(value)
    if (weakness !== null) return { masked: false, reason: weakness }
    const trimmed = value.trim()
    if (this.#values.has(trimmed)) return { masked: true }
    if (this.#values.size >= this.#valuesMax || !this.#addForms(trimmed, bytes)) return { masked: false, reason: 'too-many' }
    this.#values.add(trimmed)
    return { masked: true }
  }

  matches(text: string): boolean {
    return this.#mask(text) !== null
  }

  redact(text: string): string {
    // Text without a secret comes back as it was, even where it is no valid UTF-16.
    return this.#mask(text) ?? text
  }

  createStream(): RedactionStream {
    return new MaskingStream(this.#forms)
  }

  /** Null when nothing is masked. */
  #mask(text: string): string | null {
    const stream = this.#own
    const before = stream.maskedCount
    const released = [stream.write(Buffer.from(text)), stream.end()]
    return stream.maskedCount === before ? null : Buffer.concat(released).toString()
  }

  /** All forms or none, so that a value that does not fit is reported instead of masked in part. */
  #addForms(value: string, bytes: number): boolean {
    const left = this.#formBytesMax - this.#forms.exact.formBytes - this.#forms.canonical.scanner.formBytes
    if (bytes > VALUE_BYTES_MAX || bytes >= this.#refusedBytes || bytes > left) return false
    const { forms, anchors } = deriveAll(value)
    if (forms.reduce((total, form) => total + form.length, 0) > left) {
      this.#refusedBytes = bytes
      return false
    }
    for (const anchor of anchors) this.#forms.canonical.addAnchor(anchor)
    for (const form of forms) if (!this.#forms.canonical.add(form)) this.#forms.exact.add(form)
    return true
  }
}
