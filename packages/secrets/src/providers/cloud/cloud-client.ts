// SPDX-License-Identifier: Apache-2.0
import { setTimeout as sleep } from 'node:timers/promises'
import { ask, HttpError, type HttpReply } from '@sallyport/http'
import type { ProviderPorts } from '../../contract.ts'
import { SecretsError, type SecretsErrorCode } from '../../secrets-error.ts'
import { isJsonObject, type JsonObject, parseJson } from '../json.ts'
import { backOffMs, retryAfterMs, transportError } from '../transport.ts'
import type { Call } from './call.ts'

export interface CloudQuestion {
  /** For messages: `read "ci/token" from "aws"`. */
  readonly what: string
  readonly method: 'GET' | 'POST'
  readonly url: string
  /** Made for each attempt: a signature holds the time. */
  readonly headers: () => Readonly<Record<string, string>>
  readonly body: Uint8Array | null
  /** The answer is the secret: where it is endless, that is. */
  readonly isOfValue: boolean
  /** What an answer that is no success means. It is untrusted, and no word of it goes into the refusal. */
  readonly explain: (reply: CloudReply) => Refusal
}

export interface CloudReply {
  readonly status: number
  readonly headers: HttpReply['headers']
  readonly body: Uint8Array
}

export interface Refusal {
  readonly code: SecretsErrorCode
  readonly why: string
  readonly hint?: string
  /** The same question may have more luck in a moment. */
  readonly isTransient?: boolean
}

/** JSON of a value of 1 MiB, so that a secret that is too large can be named as such. */
const ANSWER_BYTES_MAX = 2 * 2 ** 20
/** Less is no time for an answer: it would only hide why the one before was none. */
const ATTEMPT_MS_MIN = 500

/** Asks a cloud's services, each question until its call's time is over. Everything that is asked may be asked twice: it reads, or makes a token. */
export class CloudClient {
  readonly #ca: string | null
  readonly #ports: ProviderPorts

  /** `ca`: a file. */
  constructor(ca: string | null, ports: ProviderPorts) {
    this.#ca = ca
    this.#ports = ports
  }

  /** Whoever has the answer zeroes its body. @throws SecretsError; the signal's reason when it is aborted */
  async ask(question: CloudQuestion, call: Call): Promise<CloudReply> {
    try {
      const ca = this.#ca === null ? null : new TextDecoder().decode(await this.#ports.readFile(this.#ca))
      for (let attempt = 0; ; attempt++) {
        const { reply, error, waitMs } = await askOnce(question, ca, call, attempt)
        if (reply !== null) return reply
        if (waitMs === null || performance.now() + waitMs + ATTEMPT_MS_MIN >= call.endMs) throw error
        await sleep(waitMs, undefined, { signal: call.signal })
      }
    } catch (error) {
      call.signal.throwIfAborted()
      throw error
    } finally {
      question.body?.fill(0)
    }
  }
}

type Attempt =
  | { readonly reply: CloudReply; readonly error: null; readonly waitMs: null }
  /** `waitMs`: after which it may be asked once more; null: never. */
  | { readonly reply: null; readonly error: SecretsError; readonly waitMs: number | null }

async function askOnce(question: CloudQuestion, ca: string | null, { signal, endMs }: Call, attempt: number): Promise<Attempt> {
  signal.throwIfAborted()
  const { what, method, url, headers, body, isOfValue, explain } = question
  const timeoutMs = Math.max(1, Math.floor(endMs - performance.now()))
  try {
    const limits = { timeoutMs, answerBytesMax: ANSWER_BYTES_MAX, signal, ...(ca !== null && { ca }) }
    const reply = await ask({ method, url, headers: headers(), body, ...limits })
    if (reply.status === 200) return { reply, error: null, waitMs: null }
    const { isTransient, ...refusal } = explain(reply)
    reply.body.fill(0)
    return {
      reply: null,
      error: refused(what, refusal, reply.status),
      // No less than what we would wait by ourselves: a server must not be able to make us hurry
      waitMs: isTransient ? Math.max(retryAfterMs(reply.headers['retry-after']), backOffMs(attempt)) : null,
    }
  } catch (error) {
    if (!(error instanceof HttpError)) throw error
    return {
      reply: null,
      error: transportError(what, error, isOfValue ? 'SECRET_TOO_LARGE' : 'PROVIDER_FAILED'),
      waitMs: error.failure === 'connection' ? backOffMs(attempt) : null,
    }
  }
}

function refused(what: string, { code, why, hint }: Refusal, status: number): SecretsError {
  return new SecretsError(code, `Cannot ${what}: ${why} (status ${status})`, { ...(hint !== undefined && { hint }), details: { status } })
}

/** Of a success. Zeroes it. @throws SecretsError PROVIDER_FAILED */
export function readJson(reply: CloudReply, what: string): JsonObject {
  return parseObject(reply.body) ?? fail(what, 'no JSON object')
}

/** Null for everything else. Zeroes it. */
export function parseObject(body: Uint8Array): JsonObject | null {
  try {
    const parsed = parseJson(body)
    return isJsonObject(parsed) ? parsed : null
  } catch {
    // Neither UTF-8 nor JSON: the same as any other nonsense
    return null
  } finally {
    body.fill(0)
  }
}

/** Without a word of what was said, which may hold a secret. */
export function nonsense(what: string, flaw: string): SecretsError {
  return new SecretsError('PROVIDER_FAILED', `Cannot ${what}: there is ${flaw} in the answer`, {
    hint: 'Look whether the address is that of the service itself, and nothing stands between',
  })
}

function fail(what: string, flaw: string): never {
  throw nonsense(what, flaw)
}

/** By status alone, where a service said nothing better. */
export function refusalOfStatus(status: number): Refusal {
  if (status === 429) return { code: 'PROVIDER_RATE_LIMITED', why: 'it is asked too often', isTransient: true }
  if (status >= 300 && status < 400)
    return { code: 'PROVIDER_FAILED', why: 'it points elsewhere, where no credential of ours goes', hint: 'Name the service itself' }
  if (status === 503) return { code: 'PROVIDER_FAILED', why: 'it cannot serve now', isTransient: true }
  return { code: 'PROVIDER_FAILED', why: 'it failed', isTransient: status >= 500 }
}
