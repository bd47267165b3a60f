// SPDX-License-Identifier: Apache-2.0
import { hostname } from 'node:os'
import { ask, HttpError, type HttpReply } from '@sallyport/http'
import type { Delivery, ExportRecord, ExportTarget } from '../contract.ts'
import { ExportError } from '../export-error.ts'
import { otlpRequest } from './otlp-request.ts'

export interface OtlpTargetOptions {
  /** Of the logs: it ends in `/v1/logs` as a rule. */
  readonly url: string
  /** Such as `authorization`. */
  readonly headers?: Readonly<Record<string, string>>
  /** Certificates (PEM) that the collector's may be issued by. */
  readonly ca?: string
  readonly timeoutMs?: number
}

const TIMEOUT_MS = 10_000
const ANSWER_BYTES_MAX = 64 * 1024
/** The request itself is at fault. Every other failure is one that a change of the collector, or of our settings, mends. */
const FAULTS: ReadonlySet<number> = new Set([400, 413, 422])

/** OTLP over HTTP in JSON. */
export class OtlpTarget implements ExportTarget {
  readonly #options: OtlpTargetOptions

  constructor(options: OtlpTargetOptions) {
    this.#options = options
  }

  /** A batch that is refused as a whole is cut in halves, until only the records that are at fault are left. */
  async deliver(records: readonly ExportRecord[], signal: AbortSignal): Promise<Delivery> {
    const answer = await this.#post(records, signal)
    if (answer.status >= 200 && answer.status < 300) return { refused: partiallyRefused(answer, records), shortened: 0 }
    if (!FAULTS.has(answer.status)) throw this.#failed(`it answered with status ${answer.status}`, retryAfterMs(answer))
    const [first] = records
    if (records.length === 1 && first !== undefined)
      return { refused: [{ index: first.index, reason: `status ${answer.status}` }], shortened: 0 }
    const half = Math.ceil(records.length / 2)
    const [left, right] = [await this.deliver(records.slice(0, half), signal), await this.deliver(records.slice(half), signal)]
    return { refused: [...left.refused, ...right.refused], shortened: 0 }
  }

  async #post(records: readonly ExportRecord[], signal: AbortSignal): Promise<HttpReply> {
    const { url, headers = {}, ca, timeoutMs = TIMEOUT_MS } = this.#options
    const body = Buffer.from(JSON.stringify(otlpRequest(records, { hostname: hostname(), nowMs: Date.now() })))
    try {
      return await ask({
        method: 'POST',
        url,
        headers: { ...headers, 'content-type': 'application/json' },
        body,
        timeoutMs,
        answerBytesMax: ANSWER_BYTES_MAX,
        signal,
        ...(ca === undefined ? {} : { ca }),
      })
    } catch (error) {
      if (error instanceof HttpError) throw new ExportError('EXPORT_FAILED', error.message, { cause: error })
      throw error
    }
  }

  #failed(problem: string, retryMs: number | null): ExportError {
    return new ExportError('EXPORT_FAILED', `Cannot export to ${this.#options.url}: ${problem}`, { retryAfterMs: retryMs })
  }
}

/** It took the rest, and must not be sent the same again; which ones it refused it does not tell. */
function partiallyRefused({ body }: HttpReply, records: readonly ExportRecord[]): Delivery['refused'] {
  const count = Math.min(rejectedCount(Buffer.from(body).toString('utf8')), records.length)
  return records.slice(0, count).map(({ index }) => ({ index, reason: 'partial success' }))
}

/** The answer is untrusted; what is no answer of OTLP refuses nothing. */
function rejectedCount(text: string): number {
  try {
    const { partialSuccess } = JSON.parse(text) as { partialSuccess?: { rejectedLogRecords?: unknown } }
    const count = Number(partialSuccess?.rejectedLogRecords ?? 0)
    return Number.isSafeInteger(count) && count > 0 ? count : 0
  } catch {
    // An empty body, or one in another format, of a collector that has said yes
    return 0
  }
}

function retryAfterMs({ headers }: HttpReply): number | null {
  const value = headers['retry-after']
  return typeof value === 'string' && /^[0-9]{1,6}$/.test(value) ? Number(value) * 1000 : null
}
