// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Readable, Writable } from 'node:stream'
import type { Refusal } from '@sallyport/access'
import type { Incoming, RequestHead, ResponseHead } from './exchange-sides.ts'
import { fieldsOf, hasField, rawOf, valuesOf } from './header-fields.ts'
import { refusalHeaders, refusalStatus, refusalText } from './refusal-text.ts'

/** A client that is refused in the middle of its body reads the answer only when the connection is not reset under it. */
const DRAINED_BYTES_MAX = 1024 * 1024
const DRAINED_MS_MAX = 2000

/** A request of HTTP/1.0 or 1.1 that Node's parser made. */
export class Http1Incoming implements Incoming {
  readonly head: RequestHead
  readonly body: Readable | null
  readonly marksEnd = false
  readonly #request: IncomingMessage
  readonly #response: ServerResponse

  constructor(request: IncomingMessage, response: ServerResponse) {
    this.#request = request
    this.#response = response
    this.head = headOf(request)
    this.body = hasBody(this.head) ? request : null
    response.sendDate = false
    response.on('error', () => request.destroy())
    request.on('error', () => response.destroy())
  }

  isCut(): boolean {
    return !this.#request.complete
  }

  continue(): void {
    if (!this.#response.headersSent && !this.#response.destroyed) this.#response.writeContinue()
  }

  respond({ status, fields }: ResponseHead, { lastOfConnection }: { readonly lastOfConnection: boolean }): Writable {
    if (lastOfConnection) this.#response.shouldKeepAlive = false
    this.#response.writeHead(status, rawOf(fields))
    return this.#response
  }

  /** Trailers are left out: a server may send them only to a client that asked (`TE: trailers`), and that is not passed on. */
  async finish(): Promise<void> {
    await this.#end()
  }

  async refuse(refusal: Refusal): Promise<void> {
    if (this.#response.headersSent || this.#response.destroyed) {
      this.abort()
      return
    }
    const text = Buffer.from(refusalText(refusal))
    if (this.body !== null || this.head.version === '1.0') this.#response.shouldKeepAlive = false
    this.#response.writeHead(refusalStatus(refusal), { ...refusalHeaders(refusal), 'content-length': text.length })
    if (this.head.method !== 'HEAD') this.#response.write(text)
    await this.#end()
  }

  abort(): void {
    this.#request.destroy()
  }

  /** What a client sees when the end of a connection and its request cross. */
  putOff(): void {
    this.abort()
  }

  onGone(listener: () => void): void {
    this.#response.once('close', () => {
      if (!this.#response.writableFinished) listener()
    })
  }

  async #end(): Promise<void> {
    if (this.body !== null && !this.#request.readableEnded) await drain(this.#request)
    await new Promise<void>((resolve) => {
      this.#response.once('close', resolve)
      if (this.#response.destroyed) resolve()
      else this.#response.end(resolve)
    })
  }
}

function headOf(request: IncomingMessage): RequestHead {
  return {
    version: request.httpVersion,
    method: request.method ?? '',
    target: request.url ?? '',
    scheme: null,
    authority: null,
    fields: fieldsOf(request.rawHeaders),
  }
}

function hasBody({ fields }: RequestHead): boolean {
  return hasField(fields, 'transfer-encoding') || valuesOf(fields, 'content-length').some((value) => !/^0+$/.test(value))
}

/** Reads and forgets, until the end, the client's end, or enough. */
function drain(source: Readable): Promise<void> {
  return new Promise((resolve) => {
    let drained = 0
    const timer = setTimeout(resolve, DRAINED_MS_MAX)
    const finish = (): void => {
      clearTimeout(timer)
      resolve()
    }
    source.on('data', (chunk: Buffer) => {
      drained += chunk.length
      if (drained > DRAINED_BYTES_MAX) finish()
    })
    source.once('end', finish).once('close', finish)
  })
}
