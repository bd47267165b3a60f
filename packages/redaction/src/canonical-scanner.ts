// SPDX-License-Identifier: Apache-2.0
import { AnchorFilter, BLOCK_BYTES_MAX } from './anchor-filter.ts'
import { CANONICAL_BYTES_MIN, canonicalBytes } from './canonical.ts'
import { Scanner } from './scanner.ts'

/** The forms that are looked for in canonical text, and the anchors that tell where to look. */
export class CanonicalScanner {
  readonly scanner: Scanner = new Scanner()
  /** Apart, since the shortest spelling of a filter sets the size of its blocks: one short password would make all others stand in logs by chance. */
  readonly longAnchors: AnchorFilter = new AnchorFilter()
  readonly shortAnchors: AnchorFilter = new AnchorFilter()

  /** Changes whenever a form is added. */
  get formCount(): number {
    return this.scanner.formCount
  }

  get bytes(): number {
    return this.scanner.bytes + this.longAnchors.bytes + this.shortAnchors.bytes
  }

  /** False when the form is too short. */
  add(form: Uint8Array): boolean {
    const canonical = canonicalBytes(form)
    if (canonical.length < CANONICAL_BYTES_MIN) return false
    this.scanner.add(canonical)
    this.addAnchor(form)
    return true
  }

  /** Another way in which a text begins to show what is looked for. */
  addAnchor(spelling: Uint8Array): void {
    if (spelling.length >= 2 * BLOCK_BYTES_MAX) this.longAnchors.add(spelling)
    else this.shortAnchors.add(spelling)
  }
}
