// SPDX-License-Identifier: Apache-2.0
import { constants, type OutgoingHttpHeaders, type ServerHttp2Stream } from 'node:http2'
import type { Readable, Writable } from 'node:stream'
import type { Refusal } from '@sallyport/access'
import type { Incoming, RequestHead, ResponseHead } from './exchange-sides.ts'
import { fieldsOf, type HeaderFields, lowerRawOf, valuesOf } from './header-fields.ts'
import { refusalHeaders, refusalStatus, refusalText } from './refusal-text.ts'

/** A request of HTTP/2: one stream. */
export class Http2Incoming implements Incoming {
  readonly head: RequestHead
  readonly body: Readable | null
  /** curl gives a stream up as soon as it has all of its length. Two hundred such resets look like an attack. */
  readonly marksEnd = true
  readonly #stream: ServerHttp2Stream
  #trailers: HeaderFields = []
  #hasBody = true

  constructor(stream: ServerHttp2Stream, raw: readonly string[], isWhole: boolean) {
    this.#stream = stream
    this.head = headOf(raw)
    this.body = isWhole ? null : stream
    // What ends a stream is seen by whoever reads or writes it.
    stream.on('error', () => stream.destroy())
    stream.on('wantTrailers', () => this.#sendTrailers())
  }

  isCut(): boolean {
    return this.#stream.aborted || this.#stream.rstCode !== constants.NGHTTP2_NO_ERROR
  }

  continue(): void {
    if (!this.#stream.headersSent && !this.#stream.closed) this.#stream.additionalHeaders({ ':status': 100 })
  }

  /** Where there may be trailers, a frame of their own ends the body; behind a length nobody sends them. */
  respond({ status, fields, hasBody, bodyBytes }: ResponseHead): Writable {
    this.#hasBody = hasBody
    const options = { endStream: !hasBody, waitForTrailers: hasBody && bodyBytes === null }
    this.#stream.respond([':status', String(status), ...lowerRawOf(fields)], options)
    return this.#stream
  }

  finish(trailers: HeaderFields): Promise<void> {
    this.#trailers = trailers
    return this.#end()
  }

  async refuse(refusal: Refusal): Promise<void> {
    if (this.#stream.headersSent || this.#stream.closed || this.#stream.destroyed) {
      this.abort()
      return
    }
    const text = Buffer.from(refusalText(refusal))
    const isHead = this.head.method === 'HEAD'
    const head = { ':status': refusalStatus(refusal), ...refusalHeaders(refusal), 'content-length': text.length }
    this.#stream.respond(head, { endStream: isHead })
    if (!isHead) this.#stream.write(text)
    this.#hasBody = !isHead
    await this.#end()
  }

  abort(): void {
    // Not close(): that ends the answer first, as if it were whole.
    this.#stream.destroy(new Error('the exchange was broken off'))
  }

  /** RFC 9113 section 8.7. */
  putOff(): void {
    if (this.#stream.headersSent) this.abort()
    else this.#stream.close(constants.NGHTTP2_REFUSED_STREAM)
  }

  onGone(listener: () => void): void {
    this.#stream.once('close', listener)
  }

  /** Called by the stream: what it throws would end the process. */
  #sendTrailers(): void {
    if (this.#stream.destroyed) return
    try {
      this.#stream.sendTrailers(objectOf(this.#trailers))
    } catch {
      // A server's trailers that cannot be sent on, e.g. with a pseudo-header field: the client learns that something is missing.
      this.abort()
    }
  }

  async #end(): Promise<void> {
    const stream = this.#stream
    await new Promise<void>((resolve) => {
      stream.once('close', resolve)
      if (stream.destroyed || !this.#hasBody || stream.writableFinished) resolve()
      else stream.end(resolve)
    })
    if (stream.destroyed || stream.readableEnded || this.body === null) return
    // RFC 9113 section 8.1: asks a client that is still sending to stop, without an error.
    stream.resume()
    stream.close(constants.NGHTTP2_NO_ERROR)
  }
}

/** Node takes trailers in no other form. */
function objectOf(fields: HeaderFields): OutgoingHttpHeaders {
  const object: Record<string, string[]> = Object.create(null)
  for (const { name, value } of fields) object[name.toLowerCase()] = [...(object[name.toLowerCase()] ?? []), value]
  return object
}

function headOf(raw: readonly string[]): RequestHead {
  const all = fieldsOf(raw)
  const pseudo = (name: string): string | null => valuesOf(all, name)[0] ?? null
  return {
    version: '2',
    method: pseudo(':method') ?? '',
    target: pseudo(':path') ?? '',
    scheme: pseudo(':scheme'),
    authority: pseudo(':authority'),
    fields: all.filter(({ name }) => !name.startsWith(':')),
  }
}
