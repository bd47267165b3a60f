// SPDX-License-Identifier: Apache-2.0
import { type IncomingMessage, request as requestPlain } from 'node:http'
import { request as requestTls } from 'node:https'
import { collectBytes, messageOf } from '@sallyport/core'
import { HttpError } from './http-error.ts'

export interface HttpPost {
  /** `http:` or `https:`, from the operator. */
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
  /** For all of it, from the connection to the last byte of the answer. */
  readonly timeoutMs: number
  /** More is a failure. */
  readonly answerBytesMax: number
  readonly signal?: AbortSignal
  /** Certificates (PEM) that the server's may be issued by, in place of the system's. */
  readonly ca?: string
}

export interface HttpPosted {
  readonly status: number
  /** By lower-case name; untrusted, as is the body. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Uint8Array
}

/** Sends one request, and follows no redirect. @throws HttpError HTTP_FAILED */
export async function post(options: HttpPost): Promise<HttpPosted> {
  const { url, timeoutMs, answerBytesMax } = options
  const deadline = AbortSignal.timeout(timeoutMs)
  const signal = options.signal === undefined ? deadline : AbortSignal.any([deadline, options.signal])
  try {
    const incoming = await sendRequest(options, signal)
    const body = await collectBytes(incoming, answerBytesMax)
    if (body === null) throw new HttpError('HTTP_FAILED', `Cannot use the answer of ${url}: it has more than ${answerBytesMax} bytes`)
    return { status: incoming.statusCode ?? 0, headers: incoming.headers, body }
  } catch (error) {
    if (error instanceof HttpError) throw error
    const why = deadline.aborted ? `no answer within ${timeoutMs} ms` : messageOf(error)
    throw new HttpError('HTTP_FAILED', `Cannot ask ${url}: ${why}`, { cause: error })
  }
}

function sendRequest({ url, headers, body, ca }: HttpPost, signal: AbortSignal): Promise<IncomingMessage> {
  const send = url.startsWith('https:') ? requestTls : requestPlain
  return new Promise((resolve, reject) => {
    const request = send(url, {
      method: 'POST',
      headers: { ...headers, 'content-length': body.length },
      signal,
      ...(ca === undefined ? {} : { ca }),
    })
    request.once('response', resolve)
    request.on('error', reject)
    request.end(body)
  })
}
