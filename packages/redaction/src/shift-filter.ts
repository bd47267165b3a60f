// SPDX-License-Identifier: Apache-2.0

const MULTIPLIER = 0x9e3779b1
const WINDOW_MAX = 16
const TABLE_BITS_MIN = 14
const TABLE_BITS_MAX = 20
/** The table is doubled when more than this share of it is taken: chance hits shorten the jumps. */
const FILL_MAX = 1 / 8

/**
 * Jumps over places where no form can start, after Wu and Manber. All forms are cut to the length of the
 * shortest, the window; a table tells for the bytes at the window's end how far it can be moved
 * before they could stand in a form again. Errs only towards "may start here".
 */
export class ShiftFilter {
  #window = WINDOW_MAX
  /** The first bytes of each form, {@link WINDOW_MAX} a form, for rebuilding the table. */
  #heads: Uint8Array = new Uint8Array(WINDOW_MAX * 64)
  #forms = 0
  #bits = TABLE_BITS_MIN
  #table: Uint8Array = new Uint8Array(1 << TABLE_BITS_MIN).fill(WINDOW_MAX)
  #filled = 0

  get window(): number {
    return this.#window
  }

  get bytes(): number {
    return this.#heads.byteLength + this.#table.byteLength
  }

  add(form: Uint8Array): void {
    const head = this.#forms * WINDOW_MAX
    if (head === this.#heads.length) {
      const wider = new Uint8Array(head * 2)
      wider.set(this.#heads)
      this.#heads = wider
    }
    this.#heads.set(form.subarray(0, WINDOW_MAX), head)
    this.#forms += 1
    const isShorter = form.length < this.#window
    if (isShorter) this.#window = form.length
    if (isShorter || this.#forms === 1) this.#rebuild()
    else this.#enter(head)
    while (this.#filled > this.#table.length * FILL_MAX && this.#bits < TABLE_BITS_MAX) {
      this.#bits += 1
      this.#rebuild()
    }
  }

  /**
   * The first position from `start` on at which a form may start; when the rest is shorter than the window, the
   * first position that was not ruled out.
   */
  next(text: Uint8Array, view: DataView, start: number): number {
    const table = this.#table
    const window = this.#window
    const dropped = 8 * (4 - gramBytes(window))
    const hashShift = 32 - this.#bits
    const length = text.length
    const unseen = window - gramBytes(window) + 1
    let end = start + window
    while (end <= length) {
      // Most places allow the longest jump: four of them in a row are looked up without waiting for each other.
      if (end + 3 * unseen <= length) {
        const first = table[Math.imul(view.getUint32(end - 4, true) >>> dropped, MULTIPLIER) >>> hashShift] as number
        const second = table[Math.imul(view.getUint32(end + unseen - 4, true) >>> dropped, MULTIPLIER) >>> hashShift] as number
        const third = table[Math.imul(view.getUint32(end + 2 * unseen - 4, true) >>> dropped, MULTIPLIER) >>> hashShift] as number
        const fourth = table[Math.imul(view.getUint32(end + 3 * unseen - 4, true) >>> dropped, MULTIPLIER) >>> hashShift] as number
        if (first + second + third + fourth === 4 * unseen) {
          end += 4 * unseen
          continue
        }
        if (first === unseen) {
          end += second === unseen ? (third === unseen ? 3 * unseen : 2 * unseen) : unseen
        }
      }
      const gram = view.getUint32(end - 4, true) >>> dropped
      const shift = table[Math.imul(gram, MULTIPLIER) >>> hashShift] as number
      if (shift === 0) break
      end += shift
    }
    return end - window
  }

  #rebuild(): void {
    this.#table = new Uint8Array(1 << this.#bits).fill(this.#window - gramBytes(this.#window) + 1)
    this.#filled = 0
    for (let form = 0; form < this.#forms; form += 1) this.#enter(form * WINDOW_MAX)
  }

  #enter(head: number): void {
    const size = gramBytes(this.#window)
    const unseen = this.#window - size + 1
    for (let offset = 0; offset < unseen; offset += 1) {
      let gram = 0
      for (let index = 0; index < size; index += 1) gram |= (this.#heads[head + offset + index] as number) << (8 * index)
      const slot = Math.imul(gram, MULTIPLIER) >>> (32 - this.#bits)
      const shift = this.#table[slot] as number
      if (shift === unseen) this.#filled += 1
      this.#table[slot] = Math.min(shift, unseen - 1 - offset)
    }
  }
}

/** Bytes that are looked at: more are more selective, fewer leave longer jumps in a short window. */
function gramBytes(window: number): number {
  if (window >= 8) return 4
  return window >= 6 ? 3 : 2
}
