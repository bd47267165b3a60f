// SPDX-License-Identifier: Apache-2.0
// RFC 5424. The message is JSON in ASCII: no byte order mark, no character that a receiver would change.
import type { ExportRecord } from '../contract.ts'
import type { LineFormat } from '../record/json-line.ts'
import { type Severity, severityOf } from '../record/severity.ts'
import { timeOf } from '../record/summary.ts'

export interface SyslogHeader {
  /** Of this machine. */
  readonly hostname: string
  readonly processId: number
}

export interface SyslogMessage {
  readonly text: string
  /** Without its `data`, which was too long. */
  readonly isShortened: boolean
}

/** Log audit. */
const FACILITY = 13
const SEVERITY: Readonly<Record<Severity, number>> = { info: 6, notice: 5, warning: 4 }
const SEQUENCE_MAX = 2 ** 31 - 1
const NIL = '-'

/** A message of more than `bytesMax` bytes goes without the record's `data`; should it still be longer, the receiver cuts it. */
export function syslogMessage(
  record: ExportRecord,
  format: LineFormat,
  { header, bytesMax }: { header: SyslogHeader; bytesMax: number },
): SyslogMessage {
  const prefix = `${headerOf(record, header)} `
  const text = prefix + format(record)
  if (text.length <= bytesMax) return { text, isShortened: false }
  return { text: prefix + format(withoutData(record)), isShortened: true }
}

function withoutData(record: ExportRecord): ExportRecord {
  if (record.entry?.data === undefined) return record
  const { data, ...entry } = record.entry
  return { ...record, entry, omittedDataBytes: Buffer.byteLength(JSON.stringify(data)) }
}

function headerOf(record: ExportRecord, { hostname, processId }: SyslogHeader): string {
  const { index, entry } = record
  const priority = FACILITY * 8 + SEVERITY[severityOf(entry)]
  const time = entry === null ? NIL : new Date(timeOf(record)).toISOString()
  // RFC 5424, 7.3.1: from 1 to its maximum, and again from 1
  const sequence = (index % SEQUENCE_MAX) + 1
  const names = [nameOf(hostname, 255), 'sallyport', String(processId), nameOf(entry?.type ?? NIL, 32)]
  return `<${priority}>1 ${time} ${names.join(' ')} [meta sequenceId="${sequence}"]`
}

/** Printable ASCII without spaces, as the names in a header have to be. */
function nameOf(text: string, lengthMax: number): string {
  const name = text.replaceAll(/[^\x21-\x7e]/g, '?').slice(0, lengthMax)
  return name === '' ? NIL : name
}
