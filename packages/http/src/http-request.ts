// SPDX-License-Identifier: Apache-2.0
import { type IncomingMessage, request as requestPlain } from 'node:http'
import { request as requestTls } from 'node:https'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { collectBytes, messageOf } from '@sallyport/core'
import { HttpError, type HttpFailure } from './http-error.ts'
import { withDeadline } from './with-deadline.ts'

export interface HttpQuestion {
  /** Upper case. */
  readonly method: string
  /** `http:` or `https:`, from the operator. */
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  /** Null: none, and no length is said. */
  readonly body: Uint8Array | HttpBody | null
  /** For all of it, from the connection to the last byte of the answer. */
  readonly timeoutMs: number
  /** More is a failure. */
  readonly answerBytesMax: number
  readonly signal?: AbortSignal
  /** Certificates (PEM) that the server's may be issued by, in place of the system's. */
  readonly ca?: string
}

/** A body that is too large to be held: as many bytes as it says, or the request fails. */
export interface HttpBody {
  readonly length: number
  /** Read once, as fast as the server takes it, and destroyed when it answers before the end. */
  readonly content: Readable
}

export interface HttpReply {
  readonly status: number
  /** By lower-case name; untrusted, as is the body. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Uint8Array
}

/**
 * Sends one request, and follows no redirect. The message names the address without its query, which may hold what is not for a log.
 * @throws HttpError HTTP_FAILED; its `failure` says why
 */
export async function ask(question: HttpQuestion): Promise<HttpReply> {
  return withDeadline(question.timeoutMs, (signal) => askWithin(question, signal), question.signal)
}

async function askWithin(question: HttpQuestion, signal: AbortSignal): Promise<HttpReply> {
  const { url, timeoutMs, answerBytesMax } = question
  try {
    const incoming = await sendRequest(question, signal)
    const body = await collectBytes(incoming, answerBytesMax)
    if (body === null) throw failed(url, 'size', `its answer has more than ${answerBytesMax} bytes`)
    return { status: incoming.statusCode ?? 0, headers: incoming.headers, body }
  } catch (error) {
    if (error instanceof HttpError) throw error
    const isLate = signal.aborted && question.signal?.aborted !== true
    if (isLate) throw failed(url, 'timeout', `no answer within ${timeoutMs} ms`, error)
    throw failed(url, isAboutCertificate(error) ? 'certificate' : 'connection', messageOf(error), error)
  }
}

function failed(url: string, failure: HttpFailure, why: string, cause?: unknown): HttpError {
  return new HttpError('HTTP_FAILED', `Cannot ask ${url.replace(/\?.*$/, '')}: ${why}`, { cause, details: { failure } })
}

/** Codes of Node's TLS, from OpenSSL's X509_V_ERR_*: the server has not proved who it is. */
function isAboutCertificate(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  return /CERT|SELF_SIGNED|UNABLE_TO_|ISSUER|HOSTNAME_MISMATCH/.test(code)
}

function sendRequest({ method, url, headers, body, ca }: HttpQuestion, signal: AbortSignal): Promise<IncomingMessage> {
  const send = url.startsWith('https:') ? requestTls : requestPlain
  const length = body === null ? {} : { 'content-length': String(body.length) }
  return new Promise((resolve, reject) => {
    const request = send(url, { method, headers: { ...headers, ...length }, signal, ...(ca === undefined ? {} : { ca }) })
    request.once('response', resolve)
    request.on('error', reject)
    if (body === null || body instanceof Uint8Array) request.end(body ?? undefined)
    // A server that refuses answers first: then its answer counts, not the broken pipe.
    else pipeline(body.content, request).catch((error: unknown) => reject(error))
  })
}
