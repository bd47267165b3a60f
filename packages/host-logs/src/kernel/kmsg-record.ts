// SPDX-License-Identifier: Apache-2.0

/** One record of /dev/kmsg, as Documentation/ABI/testing/dev-kmsg says. */
export interface KmsgRecord {
  /** 0: the kernel itself; what others write there never has that. */
  readonly facility: number
  readonly severity: number
  /** Of the ring buffer: 64 bits without a gap, unless records were overwritten. */
  readonly number: number
  /** By the kernel's clock, from the start of the host. */
  readonly atUs: number
  /** Text as the kernel escaped it: `\x0a` for what is not printable. */
  readonly message: string
}

/** `5,34787,10760329535,-,caller=T4160;message`, then lines that begin with a blank. Null for what is none. */
export function parseKmsgRecord(text: string): KmsgRecord | null {
  const end = text.indexOf(';')
  if (end === -1) return null
  const [prefix, number, atUs] = text.slice(0, end).split(',').map(Number)
  if (!isCount(prefix) || !isCount(number) || !isCount(atUs)) return null
  const [message = ''] = text.slice(end + 1).split('\n', 1)
  return { facility: prefix >> 3, severity: prefix & 7, number, atUs, message }
}

function isCount(value: number | undefined): value is number {
  return Number.isSafeInteger(value) && (value ?? -1) >= 0
}
