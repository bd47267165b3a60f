// SPDX-License-Identifier: Apache-2.0
import { closeSync, constants, openSync, readSync } from 'node:fs'
import { seekToEnd } from '@sallyport/linux'
import { cleanMessage } from '../clean-text.ts'
import type { HostCounts, HostItem, HostLog, HostRecord } from '../contract.ts'
import { Selection } from '../selection.ts'
import { type KmsgRecord, parseKmsgRecord } from './kmsg-record.ts'
import { selectKernel } from './select-kernel.ts'

const DEVICE = '/dev/kmsg'
/** The kernel's CONSOLE_EXT_LOG_MAX: a shorter buffer is refused. */
const RECORD_BYTES_MAX = 8192
/** At 4 µs each, 16 ms: the supervisor has other work. */
const RECORDS_AT_A_TIME = 4096
/** As many as a buffer of 1 MiB can hold. */
const RECORDS_AT_THE_END = 32_768

/** A device of records: one a read. */
export interface KmsgDevice {
  /** How many bytes. @throws EAGAIN when there is no more, EPIPE once where records were overwritten. */
  read(buffer: Buffer): number
  close(): void
}

/** @throws Error in one clause when this host does not let us read it. */
export function openKernelLog(): HostLog {
  const fd = openSync(DEVICE, constants.O_RDONLY | constants.O_NONBLOCK)
  const close = (): void => closeSync(fd)
  try {
    seekToEnd(fd)
  } catch (error) {
    close()
    throw error
  }
  return new KernelLog({ read: (buffer) => readSync(fd, buffer), close })
}

export class KernelLog implements HostLog {
  readonly place: string = DEVICE
  readonly #device: KmsgDevice
  readonly #buffer = Buffer.alloc(RECORD_BYTES_MAX)
  readonly #selection = new Selection()
  /** Of the last record. */
  #number: number | null = null
  #wasOverwritten = false
  #isOpen = true

  constructor(device: KmsgDevice) {
    this.#device = device
  }

  get counts(): HostCounts {
    return this.#selection.counts
  }

  async read(isLast: boolean): Promise<readonly HostItem[]> {
    const clock = kernelClock()
    const recordsMax = isLast ? RECORDS_AT_THE_END : RECORDS_AT_A_TIME
    for (let count = 0; count < recordsMax; count += 1) {
      const text = this.#next()
      if (text === null) return this.#selection.take()
      if (text === OVERWRITTEN) this.#wasOverwritten = true
      else this.#add(text, clock)
    }
    // How many more there are, the kernel does not say.
    if (isLast) this.#selection.gap('unread', null)
    return this.#selection.take()
  }

  /** Null: there is no more. */
  #next(): string | typeof OVERWRITTEN | null {
    if (!this.#isOpen) return null
    try {
      return this.#buffer.toString('utf8', 0, this.#device.read(this.#buffer))
    } catch (error) {
      if (!(error instanceof Error) || !('code' in error)) throw error
      if (error.code === 'EAGAIN') return null
      // Where it goes on, the next record's number says.
      if (error.code === 'EPIPE') return OVERWRITTEN
      this.#selection.gap('unread', null)
      this.close()
      return null
    }
  }

  #add(text: string, clock: KernelClock): void {
    const record = parseKmsgRecord(text)
    if (record === null) {
      this.#selection.drop('malformed', 1)
      return
    }
    this.#reportMissing(record.number)
    this.#selection.add(describe(record, clock))
  }

  #reportMissing(number: number): void {
    const missing = this.#number === null ? null : number - this.#number - 1
    if (this.#wasOverwritten || (missing ?? 0) > 0) this.#selection.gap('overwritten', missing)
    this.#wasOverwritten = false
    this.#number = number
  }

  close(): void {
    if (this.#isOpen) this.#device.close()
    this.#isOpen = false
  }
}

const OVERWRITTEN = Symbol('overwritten')

/** What both clocks say now. */
interface KernelClock {
  readonly wallMs: number
  readonly upUs: number
}

function kernelClock(): KernelClock {
  return { wallMs: Date.now(), upUs: Number(process.hrtime.bigint() / 1000n) }
}

/** Others than the kernel (facility 0) write there too; theirs come by way of their own logs. */
function describe({ facility, severity, number, atUs, message }: KmsgRecord, { wallMs, upUs }: KernelClock): HostRecord | null {
  const facts = facility === 0 ? selectKernel(message, severity) : null
  if (facts === null) return null
  // The kernel's clock is no clock of ours, but near.
  const at = new Date(wallMs - Math.max(0, upUs - atUs) / 1000).toISOString()
  return { kind: 'record', ...facts, at, message: cleanMessage(message), by: 'kernel', number, severity }
}
