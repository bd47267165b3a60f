// SPDX-License-Identifier: Apache-2.0
// Events of the Open Cybersecurity Schema Framework, version 1.8.0; a test checks each against the schema (vectors/ocsf-1.8.0.json).
import type { LogEntry } from '@sallyport/audit-log'
import type { ExportRecord } from '../contract.ts'
import { asciiJson, type LineFormat } from './json-line.ts'
import { type Severity, severityOf } from './severity.ts'
import { summaryOf, timeOf } from './summary.ts'

const VERSION = '1.8.0'
const PRODUCT = { name: 'Sallyport', vendor_name: 'Sallyport' } as const
const SEVERITY_ID: Readonly<Record<Severity, number>> = { info: 1, notice: 2, warning: 3 }
const OTHER = 99

type Attributes = Readonly<Record<string, unknown>>

/** A class of OCSF, and an activity of it. */
interface OcsfActivity {
  readonly categoryUid: number
  readonly classUid: number
  readonly activityId: number
  readonly profiles: readonly string[]
  readonly attributes: Attributes
}

export const ocsfLine: LineFormat = (record) => asciiJson(toOcsf(record))

export function toOcsf(record: ExportRecord): Attributes {
  const { entry } = record
  const { categoryUid, classUid, activityId, profiles, attributes } = entry === null ? baseEvent() : activityOf(entry)
  return {
    category_uid: categoryUid,
    class_uid: classUid,
    activity_id: activityId,
    ...(activityId === OTHER ? { activity_name: entry?.type ?? 'unknown' } : {}),
    type_uid: classUid * 100 + activityId,
    time: timeOf(record),
    severity_id: SEVERITY_ID[severityOf(entry)],
    message: summaryOf(record),
    metadata: metadataOf(record, profiles),
    ...attributes,
    ...rawOf(record),
  }
}

/** With the leaf a receiver can compute the hash that a proof is about. */
function rawOf({ entry, leaf, omittedDataBytes }: ExportRecord): Attributes {
  if (entry === null) return { unmapped: { leaf: Buffer.from(leaf).toString('base64') } }
  return omittedDataBytes > 0 ? {} : { raw_data: Buffer.from(leaf).toString('utf8') }
}

function metadataOf({ origin, index, entry, leaf, omittedDataBytes }: ExportRecord, profiles: readonly string[]): Attributes {
  return {
    version: VERSION,
    product: PRODUCT,
    log_name: origin,
    uid: `${origin}#${index}`,
    sequence: index,
    ...(profiles.length === 0 ? {} : { profiles }),
    ...(omittedDataBytes > 0 ? { is_truncated: true, untruncated_size: leaf.length } : {}),
    ...(entry === null ? {} : { event_code: entry.type, correlation_uid: entry.source }),
  }
}

function activityOf(entry: LogEntry): OcsfActivity {
  const [area = ''] = entry.type.split('.', 1)
  if (area === 'door') return networkActivity(entry)
  const lifecycle = LIFECYCLE[entry.type]
  if (lifecycle !== undefined) return applicationLifecycle(entry, lifecycle)
  return CONTROL_AREAS.has(area) ? apiActivity(entry) : baseEvent()
}

function baseEvent(): OcsfActivity {
  return { categoryUid: 0, classUid: 0, activityId: OTHER, profiles: [], attributes: {} }
}

const START = 3
const STOP = 4

const LIFECYCLE: Readonly<Record<string, number>> = {
  'source.opened': START,
  'source.closed': STOP,
  'run.started': START,
  'run.finished': STOP,
  'job.prepared': START,
  'job.finished': STOP,
  'job.closed': STOP,
  'step.started': START,
  'step.finished': STOP,
}

/** Application Lifecycle: what starts and stops is a run, a job or a step. */
function applicationLifecycle({ source, job, step, data }: LogEntry, activityId: number): OcsfActivity {
  const name = [source, job, step].filter((part) => part !== undefined).join('/')
  return { categoryUid: 6, classUid: 6002, activityId, profiles: [], attributes: { app: { name }, ...statusOf(data?.['conclusion']) } }
}

function statusOf(conclusion: unknown): Attributes {
  if (conclusion === 'success') return { status_id: 1, status: 'Success' }
  if (conclusion === 'failure') return { status_id: 2, status: 'Failure' }
  return typeof conclusion === 'string' ? { status_id: OTHER, status: conclusion } : {}
}

/** Activity, and action and disposition of the profile Security Control. */
const DOORS: Readonly<Record<string, { readonly activityId: number; readonly control: Attributes }>> = {
  'door.used': { activityId: 1, control: { action_id: 1, disposition_id: 1 } },
  'door.first-seen': { activityId: 1, control: { action_id: 3, disposition_id: 17 } },
  'door.closed': { activityId: 2, control: { action_id: 1, disposition_id: 1 } },
  'door.refused': { activityId: 5, control: { action_id: 2, disposition_id: 2 } },
  'door.alert': { activityId: 6, control: { action_id: 3, disposition_id: 19, is_alert: true } },
}

/** Network Activity: the gate saw a job's connection, allowed or refused it. */
function networkActivity({ type, source, job, step, data = {} }: LogEntry): OcsfActivity {
  const { activityId, control } = DOORS[type] ?? { activityId: OTHER, control: {} }
  const destination = endpointOf(data)
  const attributes = {
    ...control,
    src_endpoint: { name: [source, job, step].filter((part) => part !== undefined).join('/') },
    ...(destination === null ? {} : { dst_endpoint: destination }),
    ...trafficOf(data),
    ...textOf('status_code', data['code']),
    ...textOf('status_detail', data['reason'] ?? data['detail']),
  }
  return { categoryUid: 4, classUid: 4001, activityId, profiles: ['security_control'], attributes }
}

/** `host` and `port`, or what a refusal calls its target. */
function endpointOf({ host, port, target }: Attributes): Attributes | null {
  const [, targetHost, targetPort] = (typeof target === 'string' && /^([^\s/]+):([0-9]{1,5})$/.exec(target)) || []
  const name = typeof host === 'string' ? host : targetHost
  const number = typeof port === 'number' ? port : Number(targetPort ?? Number.NaN)
  if (name === undefined || name === '') return null
  const bare = name.replace(/^\[(.*)\]$/, '$1')
  const isAddress = /^[0-9.]+$/.test(bare) || bare.includes(':')
  return { ...(isAddress ? { ip: bare } : { hostname: bare }), ...(number >= 0 && number <= 65_535 ? { port: number } : {}) }
}

function trafficOf({ bytesIn, bytesOut }: Attributes): Attributes {
  if (typeof bytesIn !== 'number' || typeof bytesOut !== 'number') return {}
  return { traffic: { bytes_in: bytesIn, bytes_out: bytesOut, bytes: bytesIn + bytesOut } }
}

function textOf(name: string, value: unknown): Attributes {
  return typeof value === 'string' ? { [name]: value } : {}
}

/** Areas of events in which Sallyport itself decides or hands out something. */
const CONTROL_AREAS: ReadonlySet<string> = new Set(['access', 'lease', 'policy', 'response', 'secret', 'trust'])

/** API Activity, without a claim whether it creates, reads, updates or deletes. */
function apiActivity({ type, source, job, step }: LogEntry): OcsfActivity {
  const name = [source, job, step].filter((part) => part !== undefined).join('/')
  const attributes = { actor: { app_name: name }, api: { operation: type }, src_endpoint: { name } }
  return { categoryUid: 6, classUid: 6003, activityId: OTHER, profiles: [], attributes }
}
