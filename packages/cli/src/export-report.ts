// SPDX-License-Identifier: Apache-2.0
import type { ExportProgress, ExportTotals } from '@sallyport/log-export'

const LOSSES = {
  missing: 'were not in the log any more when their turn came, and were not exported: a gap',
  refused: 'were refused by the target for good',
  shortened: 'went without their data, which is longer than the target takes',
} as const

/** Tells of an export what somebody has to know: that it stands still and what waits meanwhile, that it goes on, and what was lost. */
export class ExportReport {
  readonly #say: (line: string) => void
  #known: ExportTotals = { delivered: 0, refused: 0, shortened: 0, missing: 0 }
  #latest: ExportProgress | null = null

  /** `say`: one line. */
  constructor(say: (line: string) => void) {
    this.#say = say
  }

  /** Null before anything moved. */
  get latest(): ExportProgress | null {
    return this.#latest
  }

  /** `totals` are of earlier exports, which have told of them. */
  begin(totals: ExportTotals): void {
    this.#known = totals
  }

  add(progress: ExportProgress): void {
    const before = this.#latest?.failure ?? null
    this.#latest = progress
    for (const kind of ['missing', 'refused', 'shortened'] as const) this.#tellLoss(kind, progress)
    this.#known = progress
    if (progress.failure === before) return
    this.#say(
      progress.failure === null ? `the export goes on; ${waiting(progress)}` : `${progress.failure}; ${waiting(progress)} in the log`,
    )
  }

  summary(name: string): string {
    const { delivered, refused, shortened, missing } = this.#known
    const waits = this.#latest === null ? '' : `; ${waiting(this.#latest)}`
    return `"${name}" has ${delivered} entries; ${refused} refused, ${shortened} without data, ${missing} missing${waits}`
  }

  #tellLoss(kind: keyof typeof LOSSES, progress: ExportProgress): void {
    const count = progress[kind] - this.#known[kind]
    if (count > 0) this.#say(`${count} of the entries before ${progress.next} ${LOSSES[kind]}`)
  }
}

function waiting({ next, size }: ExportProgress): string {
  const count = Math.max(0, size - next)
  return `${count} ${count === 1 ? 'entry waits' : 'entries wait'}`
}
