// SPDX-License-Identifier: Apache-2.0
import { CanonicalScanner } from './canonical-scanner.ts'
import type { RedactionStream } from './contract.ts'
import { type FormScanners, MaskingStream } from './masking-stream.ts'
import { Scanner } from './scanner.ts'

/** What a secret set looks for, without its bounds: any value, however weak. */
export class FormSet {
  readonly #scanners: FormScanners = { exact: new Scanner(), canonical: new CanonicalScanner() }

  add(forms: readonly Uint8Array[]): void {
    for (const form of forms) if (!this.#scanners.canonical.add(form)) this.#scanners.exact.add(form)
  }

  createStream(): RedactionStream {
    return new MaskingStream(this.#scanners)
  }
}
