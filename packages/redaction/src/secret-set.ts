// SPDX-License-Identifier: Apache-2.0
import { Buffer } from 'node:buffer'
import { STATES_MAX } from './automaton.ts'
import type { AddResult, RedactionStream, SecretSet } from './contract.ts'
import { deriveForms, significantBytes, VALUE_BYTES_MAX, VALUE_BYTES_MIN } from './forms.ts'
import { IntervalList } from './interval-list.ts'
import { MaskingStream } from './masking-stream.ts'
import { Scanner } from './scanner.ts'

export interface SecretSetOptions {
  /** Untrusted: jobs add values without end through `::add-mask::`. Default and maximum 10,000. */
  readonly valuesMax?: number
  /**
   * Bytes of all derived forms, where forms that start alike share them. Each costs 12 bytes of memory, and 4 more once a text
   * led there; arrays grow by halves, and the tables on top take up to 10 MB. Default and maximum 2^24: about 5,000 tokens of
   * 64 bytes, or 180 private keys of 3 KiB, in at most about 300 MB.
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
  readonly #scanner: Scanner = new Scanner()
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
    if (bytes < VALUE_BYTES_MIN) return { masked: false, reason: 'too-short' }
    const trimmed = value.trim()
    if (this.#values.has(trimmed)) return { masked: true }
    if (this.#values.size >= this.#valuesMax || !this.#addForms(trimmed, bytes)) return { masked: false, reason: 'too-many' }
    this.#values.add(trimmed)
    return { masked: true }
  }

  matches(text: string): boolean {
    const found = new IntervalList()
    this.#scanner.scan(Buffer.from(text), 0, found)
    return found.count > 0
  }

  redact(text: string): string {
    const stream = this.createStream()
    const released = [stream.write(Buffer.from(text)), stream.end()]
    // Text without a secret comes back as it was, even where it is no valid UTF-16.
    return stream.maskedCount === 0 ? text : Buffer.concat(released).toString()
  }

  createStream(): RedactionStream {
    return new MaskingStream(this.#scanner)
  }

  /** All forms or none, so that a value that does not fit is reported instead of masked in part. */
  #addForms(value: string, bytes: number): boolean {
    const left = this.#formBytesMax - this.#scanner.formBytes
    if (bytes > VALUE_BYTES_MAX || bytes >= this.#refusedBytes || bytes > left) return false
    const forms = deriveForms(value)
    if (forms.reduce((total, form) => total + form.length, 0) > left) {
      this.#refusedBytes = bytes
      return false
    }
    for (const form of forms) this.#scanner.add(form)
    return true
  }
}
