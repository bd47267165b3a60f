// SPDX-License-Identifier: Apache-2.0
// What the parts of the gate process know of each other. main.ts puts them together.
import type { Socket } from 'node:net'
import type { ConnectionTarget, DecidingRules, EgressRule, Refusal, SeenRequest } from '@sallyport/access'
import type { AlertKind, GateConfig, StepDoors } from './contract.ts'
import type { ClientHello } from './tls/client-hello.ts'

/** Thrown wherever a connection or request cannot go on; the connection's owner reports it once and answers or resets. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError'
  readonly refusal: Refusal

  constructor(refusal: Refusal) {
    super(refusal.reason)
    this.refusal = refusal
  }
}

/** One step while its doors are open. */
export interface OpenStep {
  readonly doors: StepDoors
  /** Aborted when the doors shut: everything of the step ends. */
  readonly signal: AbortSignal
  readonly report: StepReport
}

/** Bounded whatever the job does: repeated reports of one kind and target are counted, not kept. */
export interface StepReport {
  refused(refusal: Refusal): void
  alert(kind: AlertKind, detail: string, bytes: number | null): void
  /** A request that the gate saw, for the record and for learning. */
  request(door: DoorKey, request: Omit<SeenRequest, 'count'>): void
}

export interface DoorKey {
  readonly host: string
  readonly port: number
  readonly protocol: EgressRule['protocol']
  readonly rule: EgressRule | null
}

/** A door, with everything whose budget is used by what goes through it. */
export interface MeteredDoor extends DoorKey, DecidingRules {}

/** Counts one connection's bytes against every budget that it is under. */
export interface Meter {
  /**
   * `bytes` are to go toward the destination (or come from it). Resolves when the rate lets these bytes go on, which wait until then; undefined: at once.
   * @throws RefusedError `budget` when they are more than is left: they must not be sent on.
   */
  out(bytes: number): Promise<void> | undefined
  in(bytes: number): Promise<void> | undefined
  /** The connection is over: what still waits for the rate waits for ever, and is forgotten. */
  close(): void
}

export interface Names {
  /** The synthetic address of a name for a step; the same every time. Null when the step asked for too many names. */
  addressOf(step: string, name: string): string | null
  /** What an address stands for, for this step; null for every other. */
  nameOf(step: string, address: string): string | null
  forget(step: string): void
}

export interface Dialer {
  /**
   * Connects to a real address of the name (resolved once, checked, and that very address dialled), or to the address itself.
   * @throws RefusedError `unresolved`, `address`, `unreachable`.
   */
  dial(target: ConnectionTarget, signal: AbortSignal): Promise<Socket>
}

/** A connection whose protocol is HTTP, in clear or inside TLS that is to be terminated. */
export interface HttpConnection {
  /** From the job. What was read of it already is in `head` and not in the socket. */
  readonly socket: Socket
  readonly head: Buffer
  /** Of `head`; null for plain HTTP. */
  readonly hello: ClientHello | null
  readonly target: ConnectionTarget & { readonly name: string }
  readonly step: OpenStep
  readonly dialer: Dialer
  readonly config: GateConfig
  /** Of the door that these rules open. */
  meter(by: DecidingRules): Meter
}
