// SPDX-License-Identifier: Apache-2.0
import type { EventEnvelope } from '@sallyport/core'
import { jsonText } from './sanitize.ts'
import type { Sink } from './sink.ts'
import type { View } from './view.ts'

/** One event a line on stdout. Output of jobs is in the record: `step.log` events say where. */
export class JsonView implements View {
  readonly #stdout: Sink
  readonly #stderr: Sink

  constructor(stdout: Sink, stderr: Sink) {
    this.#stdout = stdout
    this.#stderr = stderr
  }

  event(event: EventEnvelope): void {
    this.#stdout.write(`${jsonText(event)}\n`)
  }

  output(): void {
    // Left to the record.
  }

  note(line: string): void {
    this.#stderr.write(`${line}\n`)
  }

  close(): void {
    // Nothing is open.
  }
}
