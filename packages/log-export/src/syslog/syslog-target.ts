// SPDX-License-Identifier: Apache-2.0
import { hostname } from 'node:os'
import type { Delivery, ExportRecord, ExportTarget } from '../contract.ts'
import type { LineFormat } from '../record/json-line.ts'
import { type SyslogAddress, sendSyslog } from './syslog-connection.ts'
import { syslogMessage } from './syslog-message.ts'

export interface SyslogTargetOptions {
  readonly address: SyslogAddress
  readonly format: LineFormat
  /** What the receiver takes: longer records are sent without their `data`. */
  readonly messageBytesMax?: number
  /** Without a byte in either direction the connection counts as broken. */
  readonly idleMs?: number
}

/** RFC 5425 wants receivers to take 8192 bytes; rsyslog's default is that, too. */
const MESSAGE_BYTES_MAX = 8192
const IDLE_MS = 30_000

export class SyslogTarget implements ExportTarget {
  readonly #options: Required<SyslogTargetOptions>

  constructor(options: SyslogTargetOptions) {
    this.#options = { messageBytesMax: MESSAGE_BYTES_MAX, idleMs: IDLE_MS, ...options }
  }

  async deliver(records: readonly ExportRecord[], signal: AbortSignal): Promise<Delivery> {
    const { address, format, messageBytesMax: bytesMax, idleMs } = this.#options
    const header = { hostname: hostname(), processId: process.pid }
    const messages = records.map((record) => syslogMessage(record, format, { header, bytesMax }))
    const texts = messages.map(({ text }) => text)
    await sendSyslog(address, texts, { idleMs, signal })
    return { refused: [], shortened: messages.filter(({ isShortened }) => isShortened).length }
  }
}
