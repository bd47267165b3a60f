// SPDX-License-Identifier: Apache-2.0
import { setTimeout as sleep } from 'node:timers/promises'
import { ask, HttpError, type HttpReply } from '@sallyport/http'
import { PROVIDER_TIMEOUT_MS, type ProviderPorts } from '../../contract.ts'
import { SecretsError, type SecretsErrorCode } from '../../secrets-error.ts'
import { isJsonObject, type JsonObject, parseJson } from '../json.ts'
import { backOffMs, retryAfterMs, transportError } from '../transport.ts'
import type { VaultAnswer } from './vault-answer.ts'
import type { VaultSettings } from './vault-settings.ts'

export interface VaultQuestion {
  /** For messages: `read "kv/ci/packages" from "openbao"`. */
  readonly what: string
  readonly method: 'GET' | 'POST' | 'PUT'
  /** Below `/v1/`, each segment encoded, with its query. */
  readonly path: string
  readonly token: string | null
  readonly body: JsonObject | null
  /** How often it is carried out makes no difference. What makes something is asked once more only when the server said that it did nothing. */
  readonly isRepeatable: boolean
  readonly wrapTtlS?: number
  readonly signal: AbortSignal
}

/** A status that is no success. The texts that came with it are for decisions, never for a message: they can be asked about, and not read. */
export class VaultRefusal extends SecretsError {
  readonly status: number
  readonly #texts: readonly string[]

  constructor(
    code: SecretsErrorCode,
    message: string,
    { status, texts, hint }: { status: number; texts: readonly string[]; hint?: string },
  ) {
    super(code, message, { ...(hint !== undefined && { hint }), details: { status } })
    this.status = status
    this.#texts = texts
  }

  says(pattern: RegExp): boolean {
    return this.#texts.some((text) => pattern.test(text))
  }
}

/** JSON of the largest entry that OpenBao stores, 1 MiB, so that a secret that is too large can be named as such. */
const ANSWER_BYTES_MAX = 2 * 2 ** 20

/** Asks one server. It has no standing of its own: each question brings its token. */
export class VaultClient {
  readonly #settings: VaultSettings
  readonly #ports: ProviderPorts

  constructor(settings: VaultSettings, ports: ProviderPorts) {
    this.#settings = settings
    this.#ports = ports
  }

  /** @throws SecretsError; VaultRefusal for an answer that is no success. AbortError when `signal` is aborted */
  async ask(question: VaultQuestion): Promise<VaultAnswer> {
    const ca = await this.#readAuthority()
    const endMs = performance.now() + PROVIDER_TIMEOUT_MS
    for (let attempt = 0; ; attempt++) {
      const { answer, error, waitMs } = await this.#askOnce(question, ca, { attempt, timeoutMs: endMs - performance.now() })
      if (answer !== null) return answer
      if (waitMs === null || performance.now() + waitMs >= endMs) throw error
      await sleep(waitMs, undefined, { signal: question.signal })
    }
  }

  async #readAuthority(): Promise<string | null> {
    const { ca } = this.#settings
    return ca === null ? null : new TextDecoder().decode(await this.#ports.readFile(ca))
  }

  async #askOnce(
    question: VaultQuestion,
    ca: string | null,
    { attempt, timeoutMs }: { attempt: number; timeoutMs: number },
  ): Promise<Attempt> {
    question.signal.throwIfAborted()
    try {
      const reply = await this.#send(question, ca, Math.max(1, Math.floor(timeoutMs)))
      return readReply(question, reply, attempt)
    } catch (error) {
      question.signal.throwIfAborted()
      if (!(error instanceof HttpError)) throw error
      const isWorthAnother = question.isRepeatable && error.failure === 'connection'
      return { answer: null, error: transportError(question.what, error), waitMs: isWorthAnother ? backOffMs(attempt) : null }
    }
  }

  async #send({ method, path, token, body, wrapTtlS, signal }: VaultQuestion, ca: string | null, timeoutMs: number): Promise<HttpReply> {
    const { address, namespace } = this.#settings
    const bytes = body === null ? null : new TextEncoder().encode(JSON.stringify(body))
    try {
      return await ask({
        method,
        url: `${address}/v1/${path}`,
        headers: {
          // An agent or proxy between takes only requests that no browser can be made to send
          'x-vault-request': 'true',
          ...(token !== null && { 'x-vault-token': token }),
          ...(namespace !== null && { 'x-vault-namespace': namespace }),
          ...(bytes !== null && { 'content-type': 'application/json' }),
          ...(wrapTtlS !== undefined && { 'x-vault-wrap-ttl': `${wrapTtlS}s` }),
        },
        body: bytes,
        timeoutMs,
        answerBytesMax: ANSWER_BYTES_MAX,
        signal,
        ...(ca !== null && { ca }),
      })
    } finally {
      bytes?.fill(0)
    }
  }
}

type Attempt =
  | { readonly answer: VaultAnswer; readonly error: null; readonly waitMs: null }
  /** `waitMs`: after which it may be asked once more; null: never. */
  | { readonly answer: null; readonly error: SecretsError; readonly waitMs: number | null }

function readReply(question: VaultQuestion, { status, headers, body }: HttpReply, attempt: number): Attempt {
  const { what, isRepeatable } = question
  const parsed = parseBody(body)
  body.fill(0)
  if (status >= 200 && status < 300) {
    if (parsed !== null) return { answer: { body: parsed }, error: null, waitMs: null }
    const message = `Cannot ${what}: its answer with status ${status} is no JSON object`
    return { answer: null, error: new SecretsError('PROVIDER_FAILED', message), waitMs: null }
  }
  const texts = textsOf(parsed)
  const error = refusalOf(what, status, texts)
  const didNothing = status === 429 || status === 412
  const maySoonServe = isRepeatable && (status === 503 || status === 473 || status === 472) && !isSealed(texts)
  return {
    answer: null,
    error,
    waitMs: didNothing || maySoonServe ? Math.max(retryAfterMs(headers['retry-after']), backOffMs(attempt)) : null,
  }
}

/** Null for what is no JSON object; an empty body is an empty one. */
function parseBody(body: Uint8Array): JsonObject | null {
  if (body.length === 0) return {}
  try {
    const parsed = parseJson(body)
    return isJsonObject(parsed) ? parsed : null
  } catch {
    // Neither UTF-8 nor JSON: the same as any other nonsense
    return null
  }
}

function textsOf(body: JsonObject | null): readonly string[] {
  const errors = body?.['errors']
  return Array.isArray(errors) ? errors.slice(0, 16).flatMap((text) => (typeof text === 'string' ? [text.slice(0, 1024)] : [])) : []
}

function isSealed(texts: readonly string[]): boolean {
  return texts.some((text) => /\bis sealed\b/i.test(text))
}

/** What each status means: https://openbao.org/api-docs/#http-status-codes. */
function refusalOf(what: string, status: number, texts: readonly string[]): VaultRefusal {
  const refusal = (code: SecretsErrorCode, why: string, hint?: string): VaultRefusal =>
    new VaultRefusal(code, `Cannot ${what}: ${why} (status ${status})`, { status, texts, ...(hint !== undefined && { hint }) })
  switch (status) {
    case 307:
    case 308:
      return refusal(
        'PROVIDER_SEALED',
        'it is a standby that points elsewhere',
        'Name the active server, or what stands before all of them',
      )
    case 400:
      return refusal('PROVIDER_FAILED', 'it does not take the request', 'Look whether the role is there, and whether its parameters are')
    case 403:
      return refusal('PROVIDER_DENIED', 'its policies do not allow it')
    case 404:
      return refusal('SECRET_NOT_FOUND', 'there is nothing')
    case 405:
      return refusal(
        'SECRET_NOT_FOUND',
        'nothing there can be asked in this way',
        'Look whether the mount is of the engine that the settings name',
      )
    case 412:
      return refusal('PROVIDER_FAILED', 'it has not caught up with what it wrote')
    case 429:
      return refusal('PROVIDER_RATE_LIMITED', 'it is asked too often')
    case 472:
    case 473:
      return refusal('PROVIDER_SEALED', 'it is a standby')
    case 503:
      return refusal('PROVIDER_SEALED', isSealed(texts) ? 'it is sealed' : 'it cannot serve now')
    default:
      return refusal('PROVIDER_FAILED', 'it failed')
  }
}
