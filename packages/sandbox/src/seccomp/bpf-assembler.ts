// SPDX-License-Identifier: Apache-2.0

/** A place in the program, counted from its end. */
export type Label = number

interface Instruction {
  readonly code: number
  readonly jt: number
  readonly jf: number
  readonly k: number
}

/** The kernel's own limit (BPF_MAXINSNS). */
const INSTRUCTIONS_MAX = 4096
const INSTRUCTION_BYTES = 8
/** A conditional jump has 8 bits for each of its two offsets. */
const REACH_MAX = 255
/** A shared return further away than this is written again, so that jumps to it rarely need a second one. */
const RETURN_REACH = 200

const LOAD_WORD = 0x20
const AND = 0x54
const JUMP = 0x05
const JUMP_EQUAL = 0x15
const JUMP_GREATER_OR_EQUAL = 0x35
const RETURN = 0x06

/**
 * Writes a classic BPF program from its end to its beginning. Jumps only go forward, so the place that a jump leads to is always known
 * when the jump is written, and a place that is out of reach gets a long jump in between. `load` and `and` run into what was written last.
 */
export class BpfAssembler {
  readonly #reversed: Instruction[] = []
  readonly #returns = new Map<number, Label>()

  load(offset: number): Label {
    return this.#write(LOAD_WORD, offset)
  }

  and(mask: number): Label {
    return this.#write(AND, mask)
  }

  return(value: number): Label {
    const written = this.#returns.get(value)
    if (written !== undefined && this.#distance(written) <= RETURN_REACH) return written
    const label = this.#write(RETURN, value)
    this.#returns.set(value, label)
    return label
  }

  ifEqual(value: number, yes: Label, no: Label): Label {
    return this.#branch(JUMP_EQUAL, value, yes, no)
  }

  ifAtLeast(value: number, yes: Label, no: Label): Label {
    return this.#branch(JUMP_GREATER_OR_EQUAL, value, yes, no)
  }

  /** Makes sure that what is written next runs into `label`. */
  runInto(label: Label): Label {
    return this.#distance(label) === 0 ? label : this.#write(JUMP, this.#distance(label))
  }

  /** An array of `struct sock_filter`, little endian. */
  assemble(): Uint8Array {
    if (this.#reversed.length > INSTRUCTIONS_MAX)
      throw new RangeError(`The filter has ${this.#reversed.length} instructions, the kernel takes ${INSTRUCTIONS_MAX}`)
    const bytes = new Uint8Array(this.#reversed.length * INSTRUCTION_BYTES)
    const view = new DataView(bytes.buffer)
    for (const [index, { code, jt, jf, k }] of this.#reversed.toReversed().entries()) {
      view.setUint16(index * INSTRUCTION_BYTES, code, true)
      view.setUint8(index * INSTRUCTION_BYTES + 2, jt)
      view.setUint8(index * INSTRUCTION_BYTES + 3, jf)
      view.setUint32(index * INSTRUCTION_BYTES + 4, k, true)
    }
    return bytes
  }

  /** How many instructions the next one has to skip to get to `label`. */
  #distance(label: Label): number {
    return this.#reversed.length - 1 - label
  }

  #branch(code: number, k: number, yes: Label, no: Label): Label {
    // One less for the first: a long jump for the second moves it one further away.
    const near = this.#near(yes, REACH_MAX - 1)
    const other = this.#near(no, REACH_MAX)
    return this.#write(code, k, this.#distance(near), this.#distance(other))
  }

  #near(label: Label, reach: number): Label {
    return this.#distance(label) <= reach ? label : this.runInto(label)
  }

  #write(code: number, k: number, jt = 0, jf = 0): Label {
    return this.#reversed.push({ code, jt, jf, k }) - 1
  }
}
