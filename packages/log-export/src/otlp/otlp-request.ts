// SPDX-License-Identifier: Apache-2.0
// The JSON of OpenTelemetry's protocol for logs (opentelemetry-proto 1.x, ExportLogsServiceRequest): 64-bit numbers are strings.
import type { LogEntry } from '@sallyport/audit-log'
import type { ExportRecord } from '../contract.ts'
import { type Severity, severityOf } from '../record/severity.ts'
import { summaryOf, timeOf } from '../record/summary.ts'

const SEVERITY: Readonly<Record<Severity, { readonly severityNumber: number; readonly severityText: string }>> = {
  info: { severityNumber: 9, severityText: 'INFO' },
  notice: { severityNumber: 10, severityText: 'INFO2' },
  warning: { severityNumber: 13, severityText: 'WARN' },
}
/** Of what a job can nest; deeper is sent as JSON text. */
const DEPTH_MAX = 16

type AnyValue = Readonly<Record<string, unknown>>

interface KeyValue {
  readonly key: string
  readonly value: AnyValue
}

export function otlpRequest(records: readonly ExportRecord[], { hostname, nowMs }: { hostname: string; nowMs: number }): unknown {
  const resource = { attributes: attributesOf({ 'service.name': 'sallyport', 'host.name': hostname }) }
  const logRecords = records.map((record) => logRecord(record, nowMs))
  return { resourceLogs: [{ resource, scopeLogs: [{ scope: { name: 'sallyport.audit-log' }, logRecords }] }] }
}

function logRecord(record: ExportRecord, nowMs: number): unknown {
  const { entry } = record
  const timeMs = timeOf(record)
  return {
    // 0 stands for "unknown"
    timeUnixNano: nanoseconds(timeMs),
    observedTimeUnixNano: nanoseconds(nowMs),
    ...SEVERITY[severityOf(entry)],
    ...(entry === null ? {} : { eventName: entry.type }),
    body: { stringValue: summaryOf(record) },
    attributes: attributesOf({
      'sallyport.log.origin': record.origin,
      'sallyport.log.index': record.index,
      ...entryAttributes(record, entry),
    }),
  }
}

function entryAttributes({ leaf }: ExportRecord, entry: LogEntry | null): Readonly<Record<string, unknown>> {
  if (entry === null) return { 'sallyport.log.leaf': Buffer.from(leaf).toString('base64') }
  const { source, seq, job, step, data, private: commitment } = entry
  return {
    'sallyport.source': source,
    'sallyport.seq': seq,
    'sallyport.job': job,
    'sallyport.step': step,
    'sallyport.data': data,
    'sallyport.commitment': commitment,
  }
}

function attributesOf(values: Readonly<Record<string, unknown>>): readonly KeyValue[] {
  return keyValues(values, 0)
}

function keyValues(values: object, depth: number): readonly KeyValue[] {
  return Object.entries(values).flatMap(([key, value]) => (value === undefined ? [] : [{ key, value: anyValue(value, depth) }]))
}

function anyValue(value: unknown, depth: number): AnyValue {
  if (typeof value === 'string') return { stringValue: value }
  if (typeof value === 'boolean') return { boolValue: value }
  if (typeof value === 'number') return Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: value }
  // An empty AnyValue is OTLP's null
  if (typeof value !== 'object' || value === null) return {}
  if (depth >= DEPTH_MAX) return { stringValue: JSON.stringify(value) }
  if (Array.isArray(value)) return { arrayValue: { values: value.map((item) => anyValue(item, depth + 1)) } }
  return { kvlistValue: { values: keyValues(value, depth + 1) } }
}

function nanoseconds(ms: number): string {
  return ms <= 0 ? '0' : `${Math.floor(ms)}000000`
}
