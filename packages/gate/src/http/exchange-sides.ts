// SPDX-License-Identifier: Apache-2.0
// What an exchange (exchange.ts) needs of its two sides. Each has one implementation for HTTP/1 and one for HTTP/2.
import type { Readable, Writable } from 'node:stream'
import type { Refusal } from '@sallyport/access'
import type { HeaderFields } from './header-fields.ts'

/** Untrusted: as a client sent it, after the protocol's own parser. */
export interface RequestHead {
  readonly version: string
  readonly method: string
  /** RFC 9112 section 3.2 request target, or `:path`. */
  readonly target: string
  /** `:scheme` and `:authority`; null in HTTP/1. */
  readonly scheme: string | null
  readonly authority: string | null
  readonly fields: HeaderFields
}

export interface ResponseHead {
  readonly status: number
  readonly fields: HeaderFields
  /** A response to HEAD, and of some status codes, has none. */
  readonly hasBody: boolean
  /** Of the body, where they are known before. */
  readonly bodyBytes: number | null
}

/** The server has not begun with the request, and takes no more over this connection. */
export class UnprocessedError extends Error {
  override readonly name = 'UnprocessedError'
}

/** One request of a client. Its methods do nothing once the client is gone. */
export interface Incoming {
  readonly head: RequestHead
  /** Null: none. */
  readonly body: Readable | null
  /** The last byte of a body is to say that it is the last: see {@link PumpOptions.endsAt}. */
  readonly marksEnd: boolean
  /** The client went away in the middle of its body: what was read is not all. */
  isCut(): boolean
  /** Interim response 100. */
  continue(): void
  /** Once. What is written to the answer is the body; `finish` ends it. */
  respond(head: ResponseHead, options: { readonly lastOfConnection: boolean }): Writable
  finish(trailers: HeaderFields): Promise<void>
  /** In place of `respond`; breaks the exchange off where that was called already. */
  refuse(refusal: Refusal): Promise<void>
  /** The client learns that something is missing. */
  abort(): void
  /** In place of `respond`: the client learns that it may send the same again, over another connection. */
  putOff(): void
  /** Called once, when the client goes away before the exchange is over. */
  onGone(listener: () => void): void
}

export interface OutgoingHead {
  readonly method: string
  /** With the query. */
  readonly path: string
  /** Host, with the port where it is not the scheme's own. */
  readonly authority: string
  /** Without Host, Content-Length and whatever frames the message. */
  readonly fields: HeaderFields
  /** Null: no body. `bytes` null: not known before. */
  readonly body: { readonly bytes: number | null } | null
  readonly expectsContinue: boolean
}

export interface UpstreamResponse {
  readonly status: number
  readonly fields: HeaderFields
  readonly body: Readable
  /** After the body: it ended before its end. */
  isCut(): boolean
  /** After the body. */
  trailers(): HeaderFields
  /** The server will not answer another request over this connection. */
  readonly lastOfConnection: boolean
}

export interface UpstreamRequest {
  /** Null where the head says that there is no body. */
  readonly body: Writable | null
  /** @throws RefusedError where no valid answer comes. */
  readonly response: Promise<UpstreamResponse>
  onContinue(listener: () => void): void
  abort(): void
}

export interface Upstream {
  request(head: OutgoingHead): UpstreamRequest
}
