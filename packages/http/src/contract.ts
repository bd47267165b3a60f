// SPDX-License-Identifier: Apache-2.0
import type { Readable } from 'node:stream'

/** What somebody asks. Untrusted: all of it is chosen by whoever reaches the port. */
export interface HttpRequest {
  readonly method: string
  /** As it was sent, without the query: not decoded, not normalised. */
  readonly path: string
  /** A header by its lower-case name; null when it was not sent. */
  header(name: string): string | null
  /** Null when it is longer than `bytesMax`; then the connection ends with the answer. Once only. */
  body(bytesMax: number): Promise<Uint8Array | null>
}

export interface HttpAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** A stream is sent as it is read, and destroyed when the client goes away. */
  readonly body: string | Uint8Array | Readable
}

/**
 * Answers one request; called concurrently. `signal` is aborted when the client has gone away. What it throws becomes a
 * bare 500, and goes to `onFailure`.
 */
export type HttpHandler = (request: HttpRequest, signal: AbortSignal) => Promise<HttpAnswer>
