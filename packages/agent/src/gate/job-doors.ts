// SPDX-License-Identifier: Apache-2.0
import type { DoorUse, Refusal, RuleSet } from '@sallyport/access'
import type { AlertKind, StepTraffic } from '@sallyport/gate'
import type { SecretSet } from '@sallyport/redaction'
import type { RefusedPacket, StepExit, StepNetwork } from '@sallyport/sandbox'
import type { DoorRecord } from '../record/door-record.ts'
import type { Refusals } from '../record/refusals.ts'
import type { Honeytokens } from '../secrets/honeytokens.ts'
import type { DoorExtras, GateListener, JobGate } from './job-gate.ts'
import { cleanRefusal, cleanText, packetRefusal, type Redact, refusalNote } from './refusal-text.ts'
import type { SeenDestinations } from './seen-destinations.ts'

/** Events of one step about doors: a job chooses how many names it asks for, and the journal is no place to fill. */
const STEP_EVENTS_MAX = 1000

/** Of a request's path: rules are learned from it. */
const PATH_MAX = 1000

export interface JobDoorsParts {
  /** The job's key. */
  readonly job: string
  readonly record: DoorRecord
  readonly refusals: Refusals
  readonly secrets: Pick<SecretSet, 'redact'>
  /** Null where no repository is known: nothing is a first time then. */
  readonly seen: SeenDestinations | null
  /** The job's honeytokens, and what is called when one is on its way out; null where it has none. */
  readonly trap: {
    readonly honeytokens: Pick<Honeytokens, 'tokens' | 'isIn'>
    readonly sprung: (step: string, where: string) => void
  } | null
  readonly report: (type: string, data: Readonly<Record<string, unknown>>, step?: string) => void
}

/** The doors of one job: opened and shut step by step, and what the gate and the kernel tell of them taken down. All of that was chosen by the job. */
export class JobDoors implements GateListener {
  readonly #gate: JobGate
  readonly #parts: JobDoorsParts
  /** A line in the log of the step that runs; null between steps. */
  note: ((text: string) => void) | null = null
  #step: string | null = null
  #events = 0
  readonly #redact: Redact

  constructor(gate: JobGate, parts: JobDoorsParts) {
    this.#gate = gate
    this.#parts = parts
    gate.listen(this)
    this.#redact = (text) => parts.secrets.redact(text)
  }

  /** Before the step is started. @throws GateError, SandboxError: then it must not be. */
  open(step: string, sets: readonly RuleSet[], extras: DoorExtras = {}): Promise<StepNetwork> {
    return this.#gate.openStep(step, sets, { ...extras, honeytokens: this.#parts.trap?.honeytokens.tokens ?? [] })
  }

  /**
   * After the step, however it ended; `exit` is null when it was not started. False where nothing was told: the gate is gone, or has shut the doors
   * already.
   */
  async close(step: string, exit: StepExit | null): Promise<boolean> {
    const packets = (exit?.refusedPackets ?? []).map((packet) => ({ packet, isOwn: this.#gate.isOfOpenStep(packet) }))
    const traffic = await this.#gate.closeStep()
    // A gate that is gone tells nothing more: what it told until then stands in the journal.
    if (traffic !== null) this.#closed(step, traffic)
    for (const { packet, isOwn } of packets) this.#refusePacket(packet, isOwn ? step : null)
    return traffic !== null
  }

  used(step: string, { host, port, rule }: { readonly host: string; readonly port: number; readonly rule: string | null }): void {
    this.#lookFor(step, host, 'the name of a host')
    const name = cleanText(host, this.#redact)
    this.#report('door.used', { host: name, port, rule: rule === null ? null : cleanText(rule, this.#redact) }, step)
    if (this.#isFirst(name, port)) this.#report('door.first-seen', { host: name, port }, step)
  }

  refused(step: string, refusal: Refusal): void {
    const clean = cleanRefusal(refusal, this.#redact)
    this.#lookFor(step, refusal.target, `a refused question or connection (${clean.code})`)
    this.#report('door.refused', { ...clean }, step)
    this.note?.(refusalNote(clean))
  }

  alert(step: string, { kind, detail, bytes }: { readonly kind: AlertKind; readonly detail: string; readonly bytes: number | null }): void {
    const clean = cleanText(detail, this.#redact)
    this.#report('door.alert', { kind, detail: clean, bytes }, step)
    if (kind === 'honeytoken') this.#parts.trap?.sprung(step, clean)
  }

  /** In what the gate has no need to read: names alone can carry a token away. */
  #lookFor(step: string, text: string, where: string): void {
    if (this.#parts.trap?.honeytokens.isIn(text) === true) this.#parts.trap.sprung(step, where)
  }

  #closed(step: string, { used, refused, refusedMore }: StepTraffic): void {
    for (const use of used) this.#use(step, use)
    for (const { refusal, count } of refused) this.#keepRefused(step, cleanRefusal(refusal, this.#redact), count)
    if (refusedMore > 0) this.#more(step, `${refusedMore} more refusals than are told apart`)
  }

  /** What the kernel refused. `step`: null for what an earlier one left running. */
  #refusePacket(packet: RefusedPacket, step: string | null): void {
    const refusal = cleanRefusal(packetRefusal(packet, step === null), this.#redact)
    this.#report('door.refused', { ...refusal }, step ?? undefined)
    this.#keepRefused(step, refusal, 1)
    if (step !== null) this.note?.(refusalNote(refusal))
  }

  #use(step: string, use: DoorUse): void {
    const { job, record, report } = this.#parts
    const clean: DoorUse = {
      ...use,
      host: cleanText(use.host, this.#redact),
      rule: use.rule === null ? null : cleanText(use.rule, this.#redact),
      requests: use.requests.map((request) => ({
        ...request,
        method: cleanText(request.method, this.#redact),
        path: cleanText(request.path, this.#redact, PATH_MAX),
      })),
    }
    // The gate tells of few doors of a step while it runs.
    const { host, port } = clean
    if (this.#isFirst(host, port)) report('door.first-seen', { host, port }, step)
    report('door.closed', { ...clean }, step)
    if (!record.addUsed(job, step, clean)) this.#more(step, 'more doors were used than a document keeps; the journal has them all')
  }

  /** Port 0 is no destination: it stands for those that the gate did not tell apart. */
  #isFirst(host: string, port: number): boolean {
    return port > 0 && this.#parts.seen?.isFirst(host, port) === true
  }

  #keepRefused(step: string | null, refusal: Refusal, count: number): void {
    const { job, record } = this.#parts
    if (!record.addRefused(job, step, refusal, count)) this.#more(step, 'more doors were refused than a document keeps')
  }

  #more(step: string | null, detail: string): void {
    this.#parts.refusals.add({ job: this.#parts.job, step, what: 'egress', detail })
  }

  #report(type: string, data: Readonly<Record<string, unknown>>, step: string | undefined): void {
    if (step !== undefined && step !== this.#step) {
      this.#step = step
      this.#events = 0
    }
    this.#events += 1
    if (this.#events <= STEP_EVENTS_MAX) this.#parts.report(type, data, step)
    else this.#more(this.#step, `more than ${STEP_EVENTS_MAX} events of a step about its doors; the rest is counted alone`)
  }
}
