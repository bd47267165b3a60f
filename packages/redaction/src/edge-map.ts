// SPDX-License-Identifier: Apache-2.0

const MULTIPLIER = 0x9e3779b1

/**
 * The edges of a trie that do not lead to the next state: (state, byte) → state, in open addressing. States are below
 * 2^24, so that both fit one 32-bit key; 0 is the root, to which no edge leads, and marks a free slot.
 */
export class EdgeMap {
  #keys: Uint32Array = new Uint32Array(64)
  #targets: Int32Array = new Int32Array(64)
  #shift = 26
  #count = 0

  /** The target, or -1. */
  get(state: number, byte: number): number {
    const key = ((state << 8) | byte) >>> 0
    const mask = this.#keys.length - 1
    let slot = Math.imul(key, MULTIPLIER) >>> this.#shift
    for (let target = this.#targets[slot] as number; target !== 0; target = this.#targets[slot] as number) {
      if (this.#keys[slot] === key) return target
      slot = (slot + 1) & mask
    }
    return -1
  }

  /** The edge must not exist yet. */
  set(state: number, byte: number, target: number): void {
    if (this.#count * 2 >= this.#keys.length) this.#grow()
    this.#insert(((state << 8) | byte) >>> 0, target)
    this.#count += 1
  }

  get bytes(): number {
    return this.#keys.byteLength + this.#targets.byteLength
  }

  #insert(key: number, target: number): void {
    let slot = Math.imul(key, MULTIPLIER) >>> this.#shift
    while (this.#targets[slot] !== 0) slot = (slot + 1) & (this.#keys.length - 1)
    this.#keys[slot] = key
    this.#targets[slot] = target
  }

  #grow(): void {
    const keys = this.#keys
    const targets = this.#targets
    this.#keys = new Uint32Array(keys.length * 2)
    this.#targets = new Int32Array(keys.length * 2)
    this.#shift -= 1
    for (let slot = 0; slot < keys.length; slot += 1) {
      if (targets[slot] !== 0) this.#insert(keys[slot] as number, targets[slot] as number)
    }
  }
}
