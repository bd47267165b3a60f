// SPDX-License-Identifier: Apache-2.0
// A reporter for Node's test runner that writes one JSON line an event: what outcomes.ts reads.
import { inspect } from 'node:util'

/** One line of the reporter. The names of `failureType` are Node's. */
export interface RawEvent {
  readonly type: string
  readonly name?: string | undefined
  readonly nesting?: number | undefined
  readonly kind?: string | undefined
  readonly skip?: string | boolean | undefined
  readonly todo?: string | boolean | undefined
  readonly failureType?: string | undefined
  readonly error?: string | undefined
  readonly message?: string | undefined
  readonly line?: number | undefined
}

interface NodeEvent {
  readonly type: string
  readonly data: RawEvent & {
    readonly details?: { readonly type?: string; readonly error?: { readonly failureType?: string; readonly cause?: unknown } }
  }
}

const reported = new Set(['test:start', 'test:pass', 'test:fail', 'test:diagnostic', 'test:summary'])

export default async function* eventReporter(source: AsyncIterable<NodeEvent>): AsyncGenerator<string> {
  for await (const { type, data } of source) {
    if (!reported.has(type)) continue
    const { name, nesting, skip, todo, message, line, details } = data
    const error = details?.error
    const text = error === undefined ? undefined : inspect(error.cause ?? error, { depth: 6, maxStringLength: 20_000 })
    const event: RawEvent = {
      type,
      name,
      nesting,
      skip,
      todo,
      message,
      line,
      kind: details?.type,
      failureType: error?.failureType,
      error: text,
    }
    yield `${JSON.stringify(event)}\n`
  }
}
