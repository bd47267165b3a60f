// SPDX-License-Identifier: Apache-2.0
import type { EventEnvelope } from '@sallyport/core'
import type { RunModel } from './terminal/run-model.ts'
import { oneLine } from './terminal/sanitize.ts'

/** Where the output of one step lies in the record. */
export interface LogPiece {
  readonly job: string
  readonly jobName: string
  readonly step: string
  readonly stepName: string
  readonly file: string
  readonly from: number
  readonly to: number
}

/**
 * The pieces that `step.log` events name, in their order, and for each log what lies behind the last of
 * them: output of a step that never ended.
 */
export function readPieces(events: readonly EventEnvelope[], model: RunModel): readonly LogPiece[] {
  const ended = events.filter(({ type }) => type === 'step.log').map((event) => pieceOf(event, model))
  const open = events
    .filter(({ type }) => type === 'log.opened')
    .flatMap((event) => {
      const file = String(event.data['file'])
      const from = Math.max(0, ...ended.filter((piece) => piece.file === file).map(({ to }) => to))
      const running = model.job(event.job ?? '')?.steps.findLast(({ state }) => state === 'running')
      return running === undefined ? [] : [{ ...pieceOf({ ...event, step: running.id }, model), from, to: Number.POSITIVE_INFINITY }]
    })
  return [...ended, ...open]
}

function pieceOf({ job = '', step = '', data }: EventEnvelope, model: RunModel): LogPiece {
  return {
    job,
    jobName: model.job(job)?.name ?? oneLine(job),
    step,
    stepName: model.stepName(job, step),
    file: String(data['file']),
    from: numberOf(data['from']),
    to: numberOf(data['to']),
  }
}

function numberOf(value: unknown): number {
  return typeof value === 'number' ? value : 0
}
