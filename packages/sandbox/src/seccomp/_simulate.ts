// SPDX-License-Identifier: Apache-2.0

/** What the kernel hands to a filter. */
export interface SeccompData {
  readonly number: number
  readonly auditArchitecture: number
  readonly args: readonly bigint[]
}

export interface Simulated {
  readonly returned: number
  readonly steps: number
  /** The arguments' part of the data was read: the kernel cannot remember the answer for the call. */
  readonly readsArguments: boolean
}

function encode({ number, auditArchitecture, args }: SeccompData): DataView {
  const view = new DataView(new ArrayBuffer(64))
  view.setUint32(0, number, true)
  view.setUint32(4, auditArchitecture, true)
  for (const [index, arg] of args.entries()) view.setBigUint64(16 + index * 8, arg, true)
  return view
}

/** Runs a classic BPF program with the checks of the kernel: known instructions, aligned loads inside the data, no end without a return. */
export function simulate(filter: Uint8Array, input: SeccompData): Simulated {
  const program = new DataView(filter.buffer, filter.byteOffset, filter.byteLength)
  const data = encode(input)
  let accumulator = 0
  let readsArguments = false
  for (let at = 0, steps = 1; at < program.byteLength; at += 8, steps++) {
    const k = program.getUint32(at + 4, true)
    const jump = (holds: boolean): number => 8 * program.getUint8(at + (holds ? 2 : 3))
    switch (program.getUint16(at, true)) {
      case 0x20:
        if (k % 4 !== 0) throw new RangeError(`Unaligned load from ${k}`)
        accumulator = data.getUint32(k, true)
        readsArguments ||= k >= 8
        break
      case 0x54:
        accumulator = (accumulator & k) >>> 0
        break
      case 0x05:
        at += 8 * k
        break
      case 0x15:
        at += jump(accumulator === k)
        break
      case 0x35:
        at += jump(accumulator >= k)
        break
      case 0x06:
        return { returned: k, steps, readsArguments }
      default:
        throw new RangeError(`Unknown instruction at ${at / 8}`)
    }
  }
  throw new RangeError('The program ends without a return')
}
