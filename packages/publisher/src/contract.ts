// SPDX-License-Identifier: Apache-2.0
// What the supervisor and the publisher say to each other: one line of JSON each way, over the publisher's descriptor 3. The artifact is descriptor 4.

import type { NamePattern } from '@sallyport/access'

/** A stream socket to the supervisor. Its end is the publisher's end. */
export const SUPERVISOR_DESCRIPTOR = 3
/** An open regular file, for reading. */
export const ARTIFACT_DESCRIPTOR = 4

interface Sending {
  readonly bytes: number
  /** Certificates (PEM) that the server's may be issued by; null: the system's. */
  readonly authorities: string | null
  /** For all attempts together. */
  readonly timeoutMs: number
}

export interface FilePublication extends Sending {
  readonly kind: 'file'
  readonly method: 'PUT' | 'POST'
  /** `https:`. Decided, and on record. */
  readonly url: string
  /** Null: none. The value is a secret. */
  readonly credential: { readonly header: string; readonly value: string } | null
  /** Hexadecimal; what is sent has it, or nothing has been published. */
  readonly sha256: string
}

/** The artifact is an OCI image layout, as a tar archive. */
export interface ImagePublication extends Sending {
  readonly kind: 'image'
  /** `https://HOST[:PORT]`. Decided, and on record, as are the next two. */
  readonly registry: string
  readonly repository: string
  readonly tag: string
  /** `USER:PASSWORD`, a secret; null: none. */
  readonly credential: string | null
  /** Whom it may be shown beside the registry: those that give tokens. */
  readonly hosts: readonly NamePattern[]
}

export type Publication = FilePublication | ImagePublication

export type PublishFailure =
  /** There is no connection, or it broke. */
  | 'unreachable'
  /** Whoever answers has not proved that it is the server. */
  | 'certificate'
  /** It takes longer than it may. */
  | 'timeout'
  /** The server does not want it: so it says. */
  | 'refused'
  /** It sends elsewhere; nobody has approved that place. */
  | 'redirected'
  /** What was handed over is no image; nothing was sent. */
  | 'artifact'
  /** The server failed, or said what none says. */
  | 'failed'

export type PublishOutcome =
  | { readonly published: true; readonly status: number /** Of an image: that of its manifest. */; readonly digest: string | null }
  | {
      readonly published: false
      readonly failure: PublishFailure
      /** Without a credential in it. */
      readonly message: string
      /** The server may have it all the same: an attempt was cut off after its first byte. */
      readonly mayBeThere: boolean
    }

/** Authorities of a whole system are the most of it. */
export const QUESTION_BYTES_MAX: number = 16 * 2 ** 20
export const ANSWER_BYTES_MAX: number = 16 * 1024
