// SPDX-License-Identifier: Apache-2.0
// What the supervisor and the broker say to each other, one JSON document a line, over the broker's descriptor 3. Values are base64: a secret is bytes.
import type { JobFacts, ProviderDescription, SecretAddress, VersionFacts } from '../contract.ts'

/** Descriptor that the broker is started with: a stream socket to the supervisor. Its end is the broker's end. */
export const BROKER_DESCRIPTOR = 3

/** Once, before anything else. */
export interface BrokerConfig {
  readonly providers: readonly ProviderDescription[]
  /** Where sessions are noted; absolute. */
  readonly leaseDirectory: string
  /** Of this broker's own journal there. */
  readonly run: string
}

export interface ReadRequest {
  readonly job: string
  readonly step: string
  readonly provider: string
  readonly address: SecretAddress
  /** Of our issuer, for this provider's audience; a read that opens no session needs none. Null where the provider asks for none. */
  readonly token: string | null
}

export type Question =
  | ({ readonly type: 'configure' } & BrokerConfig)
  /** Before the first read of a job. `ttlMs`: as long as it can last. */
  | { readonly type: 'open-job'; readonly job: string; readonly identity: JobFacts; readonly ttlMs: number }
  | ({ readonly type: 'read' } & ReadRequest)
  /** What was made for the step ends. */
  | { readonly type: 'end-step'; readonly job: string; readonly step: string }
  /** All that was made for the job ends. */
  | { readonly type: 'end-job'; readonly job: string }
  /** What brokers that were killed have left ends. */
  | { readonly type: 'sweep' }
  /** What a provider's audit device writes for marks of sessions; at most MARKS_MAX. */
  | { readonly type: 'hash-marks'; readonly provider: string; readonly device: string; readonly marks: readonly string[] }
  /** What is known of a value, and how it can be replaced. */
  | ({ readonly type: 'look' } & AddressAt)
  | ({ readonly type: 'rotate'; readonly rotation: string } & AddressAt)
  /** `old` and `value`: base64, of one field. */
  | ({ readonly type: 'replace'; readonly rotation: string; readonly old: string; readonly value: string } & AddressAt)

export interface AddressAt {
  readonly provider: string
  readonly address: SecretAddress
}

export type ToBroker = Question & { readonly id: number }

export interface ReadMessage {
  /** By field; base64. */
  readonly fields: Readonly<Record<string, string>>
  readonly version: string | null
  readonly createdAtMs: number | null
  readonly expiresAtMs: number | null
}

/** What lives on although it should have ended. */
export interface Unrevoked {
  readonly provider: string
  readonly job: string
  readonly message: string
  /** When it ends by itself, at the latest. */
  readonly untilMs: number
}

export type Answer =
  | ({ readonly type: 'read' } & ReadMessage)
  | { readonly type: 'ended'; readonly revoked: number; readonly unrevoked: readonly Unrevoked[] }
  /** In the order of the marks. */
  | { readonly type: 'hashed'; readonly hashes: readonly string[] }
  | ({ readonly type: 'looked' } & VersionFacts)
  | { readonly type: 'replaced'; readonly version: string }
  | { readonly type: 'done' }
  | { readonly type: 'refused'; readonly code: string; readonly message: string; readonly hint: string | null }

/** What happens by itself. */
export type BrokerEvent =
  /** A credential of a job's session: what the provider's own audit log shows of it. `run`: of a broker that was killed, and null of this one. */
  | { readonly kind: 'session'; readonly run: string | null; readonly job: string; readonly provider: string; readonly mark: string }
  | { readonly kind: 'renewed'; readonly job: string; readonly step: string; readonly provider: string; readonly expiresAtMs: number }
  | { readonly kind: 'not-renewed'; readonly job: string; readonly step: string; readonly provider: string; readonly message: string }

export type FromBroker = (Answer & { readonly id: number }) | { readonly id: 0; readonly type: 'event'; readonly event: BrokerEvent }

/** Of one question: each is asked by itself, and the answer is waited for. */
export const MARKS_MAX = 200
/** A read may have a token in it; settings are a page. */
export const TO_BROKER_BYTES_MAX: number = 512 * 1024
/** A secret of SECRET_BYTES_MAX in base64, for each of a few fields. */
export const FROM_BROKER_BYTES_MAX: number = 1024 * 1024
