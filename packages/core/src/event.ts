// SPDX-License-Identifier: Apache-2.0

/**
 * One fact about a run. Packages declare their own `type`s and `data` shapes; the
 * envelope is what makes them one ordered stream.
 */
export interface RunEvent {
  /** `area.fact` in lower case, e.g. `step.finished`. */
  readonly type: string
  readonly job?: string
  /** The step's unique id within its job, e.g. `2` or `2.0` for a composite's first child. */
  readonly step?: string
  readonly data: Readonly<Record<string, unknown>>
}

/** A {@link RunEvent} as it stands in the journal. */
export interface EventEnvelope extends RunEvent {
  /** Starts at 1 and has no gaps within a run. */
  readonly seq: number
  readonly run: string
  /** Wall clock, ISO 8601 with milliseconds, UTC. Information only: order is `seq`. */
  readonly at: string
}

/** What {@link Journal.append} resolves with once the event is on stable storage. */
export interface Durable {
  readonly seq: number
}

/**
 * The ordered record of one run.
 *
 * Events become durable in the order of the calls. The promise resolves after fsync;
 * callers whose next action must not happen unrecorded await it, others need not.
 * A rejected append is final for the journal: every later one rejects too.
 */
export interface Journal {
  append(event: RunEvent): Promise<Durable>
}
