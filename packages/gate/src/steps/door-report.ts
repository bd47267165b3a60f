// SPDX-License-Identifier: Apache-2.0
import type { DoorUse, Refusal, RuleOrigin, SeenRequest } from '@sallyport/access'
import type { AlertKind, FromGate } from '../contract.ts'
import { plainText } from '../control/plain-text.ts'
import type { DoorKey, StepReport } from '../ports.ts'

/**
 * What is told apart within one step. Everything here is chosen by the job, and the whole report is one line of at most 1 MiB (FROM_GATE_BYTES_MAX): each list has a
 * share of it in bytes, and beyond it is counted.
 */
export const REPORT_LIMITS = {
  refusals: 256,
  refusalBytes: 327_680,
  doors: 256,
  doorBytes: 163_840,
  requestsOfDoor: 200,
  requestBytes: 327_680,
  /** Of each type, told while the step runs. */
  messages: 64,
  alertsOfKind: 16,
} as const

const LENGTHS = { target: 300, reason: 300, rule: 200, remedy: 500, host: 255, method: 32, path: 500, detail: 300 } as const

/** A step has sent this much to one host, and this many times as much as it got from there: what downloads do not do. */
const UPLOAD_BYTES = 1024 * 1024
const UPLOAD_FACTOR = 4

/** Host of the one door that stands for all beyond the number that is told apart. */
const OTHERS = '(others)'

export interface DoorCounts {
  readonly host: string
  readonly port: number
  connections: number
  bytesOut: number
  bytesIn: number
  isUpload: boolean
}

interface Door extends DoorCounts {
  readonly key: DoorKey
  readonly requests: Map<string, { -readonly [Key in keyof SeenRequest]: SeenRequest[Key] }>
  requestsMore: number
}

/** A `StepReport` that is kept until the step ends, and tells the first of each kind at once. */
export class DoorReport implements StepReport {
  readonly #step: string
  readonly #say: (message: FromGate) => void
  readonly #refusals = new Map<string, { readonly refusal: Refusal; count: number }>()
  readonly #doors = new Map<string, Door>()
  readonly #alerts = new Map<AlertKind, Set<string>>()
  readonly #left: { refusals: number; doors: number; requests: number; refused: number; used: number } = {
    refusals: REPORT_LIMITS.refusalBytes,
    doors: REPORT_LIMITS.doorBytes,
    requests: REPORT_LIMITS.requestBytes,
    refused: REPORT_LIMITS.messages,
    used: REPORT_LIMITS.messages,
  }
  #refusedMore = 0

  constructor(step: string, say: (message: FromGate) => void) {
    this.#step = step
    this.#say = say
  }

  refused(refusal: Refusal): void {
    const clean = cleanRefusal(refusal)
    const key = JSON.stringify([clean.code, clean.target, clean.rule])
    const known = this.#refusals.get(key)
    if (known !== undefined) {
      known.count += 1
      return
    }
    if (this.#refusals.size >= REPORT_LIMITS.refusals || !this.#take('refusals', clean)) {
      this.#refusedMore += 1
      return
    }
    this.#refusals.set(key, { refusal: clean, count: 1 })
    if (this.#left.refused-- > 0) this.#say({ type: 'refused', step: this.#step, refusal: clean })
  }

  alert(kind: AlertKind, detail: string, bytes: number | null): void {
    const known = this.#alerts.get(kind) ?? new Set()
    this.#alerts.set(kind, known)
    const clean = plainText(detail, LENGTHS.detail)
    if (known.has(clean) || known.size >= REPORT_LIMITS.alertsOfKind) return
    known.add(clean)
    this.#say({ type: 'alert', step: this.#step, kind, detail: clean, bytes })
  }

  request(key: DoorKey, { method, path, graphql, websocket }: Omit<SeenRequest, 'count'>): void {
    const door = this.#door(key)
    const { requests } = door
    const clean = { method: plainText(method, LENGTHS.method), path: plainText(path, LENGTHS.path), graphql, websocket }
    const name = `${clean.method} ${clean.path}`
    const known = requests.get(name)
    if (known !== undefined) {
      known.count += 1
      known.graphql ||= graphql
      known.websocket ||= websocket
    } else if (requests.size < REPORT_LIMITS.requestsOfDoor && this.#take('requests', clean)) requests.set(name, { ...clean, count: 1 })
    else door.requestsMore += 1
  }

  /** A connection through a door. Its bytes are added by `count`. */
  connected(key: DoorKey): DoorCounts {
    const door = this.#door(key)
    door.connections += 1
    return door
  }

  count(door: DoorCounts, bytesOut: number, bytesIn: number): void {
    door.bytesOut += bytesOut
    door.bytesIn += bytesIn
    if (bytesOut === 0 || door.isUpload || door.bytesOut < UPLOAD_BYTES || door.bytesOut < UPLOAD_FACTOR * door.bytesIn) return
    door.isUpload = true
    this.alert('upload', `${door.host}:${door.port} was sent far more than came from there`, door.bytesOut)
  }

  /** The report of the whole step, for its last message. */
  toClosed(): FromGate {
    return {
      type: 'step-closed',
      step: this.#step,
      used: Array.from(this.#doors.values(), toDoorUse),
      refused: Array.from(this.#refusals.values(), ({ refusal, count }) => ({ refusal, count })),
      refusedMore: this.#refusedMore,
    }
  }

  #door(key: DoorKey): Door {
    const origin = key.rule === null ? null : formatOrigin(key.rule.origin)
    const name = JSON.stringify([key.host, key.port, key.protocol, origin])
    const known = this.#doors.get(name)
    if (known !== undefined) return known
    const host = plainText(key.host, LENGTHS.host)
    if (this.#doors.size >= REPORT_LIMITS.doors || !this.#take('doors', { host, origin })) return this.#others(key)
    const door = newDoor(key, host)
    this.#doors.set(name, door)
    if (this.#left.used-- > 0) this.#say({ type: 'used', step: this.#step, host, port: key.port, rule: origin })
    return door
  }

  #others({ protocol }: DoorKey): Door {
    const known = this.#doors.get(OTHERS)
    if (known !== undefined) return known
    const door = newDoor({ host: OTHERS, port: 0, protocol, rule: null }, OTHERS)
    this.#doors.set(OTHERS, door)
    return door
  }

  /** Whether the report still has room for it; 100 bytes are what stands around the values. */
  #take(share: 'refusals' | 'doors' | 'requests', value: object): boolean {
    const bytes = Buffer.byteLength(JSON.stringify(value)) + 100
    if (this.#left[share] < bytes) return false
    this.#left[share] -= bytes
    return true
  }
}

/** `file:line`, or the option. */
export function formatOrigin({ source, line }: RuleOrigin): string {
  return plainText(line === null ? source : `${source}:${line}`, LENGTHS.rule)
}

function newDoor(key: DoorKey, host: string): Door {
  return { key, host, port: key.port, connections: 0, bytesOut: 0, bytesIn: 0, isUpload: false, requests: new Map(), requestsMore: 0 }
}

function toDoorUse({ key, host, port, connections, bytesOut, bytesIn, requests, requestsMore }: Door): DoorUse {
  const rule = key.rule === null ? null : formatOrigin(key.rule.origin)
  return { host, port, protocol: key.protocol, rule, connections, bytesOut, bytesIn, requests: [...requests.values()], requestsMore }
}

function cleanRefusal({ code, target, reason, rule, remedy }: Refusal): Refusal {
  return {
    code,
    target: plainText(target, LENGTHS.target),
    reason: plainText(reason, LENGTHS.reason),
    rule: rule === null ? null : plainText(rule, LENGTHS.rule),
    remedy: remedy === null ? null : plainText(remedy, LENGTHS.remedy),
  }
}
