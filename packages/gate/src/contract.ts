// SPDX-License-Identifier: Apache-2.0
// What the supervisor and the gate say to each other, one JSON document a line, over the gate's descriptor 3.
import type { DoorUse, Refusal, RuleSet, SigningRule, SubstitutionRule } from '@sallyport/access'

/** Descriptors that the gate is started with (native/src/keeper-gate.c). */
export const GATE_DESCRIPTORS = {
  /** Stream socket to the supervisor. Its end is the gate's end. */
  control: 3,
  /** Listening TCP socket in the gate's namespace, transparent: `localAddress` and `localPort` of what it accepts are what the job meant. */
  tcp: 4,
  /** UDP socket at the gate's address, port 53. */
  dns: 5,
  /** `JOB_NETWORK.relaysMax` UDP sockets, one after the other. */
  firstRelay: 6,
} as const

/** Once, before anything else. Everything that the gate has to know about the world: it has no file system. */
export interface GateConfig {
  /** Addresses of the real name servers (`address` or `address:port`, IPv6 in brackets). */
  readonly nameServers: readonly string[]
  /** Names whose addresses the operator fixed (`--resolve`, /etc/hosts): no name server is asked. */
  readonly hosts: Readonly<Record<string, readonly string[]>>
  /** Of `hosts`, those whose addresses need no further permission: the person named them. */
  readonly trustedHosts: readonly string[]
  /** CIDRs beyond the public internet that the operator's ceiling opens. */
  readonly privateNetworks: readonly string[]
  /** The host's own addresses: never reached, unless in `privateNetworks`. */
  readonly ownAddresses: readonly string[]
  /** PEM: what upstream servers are verified against. Null: those that Node brings. */
  readonly authorities: string | null
  /** Names (for the authority's name constraints) whose TLS is terminated; empty: no authority is made. */
  readonly terminates: readonly { readonly kind: 'exact' | 'suffix'; readonly name: string }[]
  readonly limits: GateLimits
}

export interface GateLimits {
  /** Connections of the job at a time; further ones are reset. */
  readonly connections: number
  /** A connection that has said nothing of what it is within this is reset. */
  readonly helloMs: number
  readonly connectMs: number
  /** Without a byte in either direction. */
  readonly idleMs: number
  /** For the whole job, over all rules; null for none. */
  readonly bytesOut: number | null
}

export interface Substitution {
  readonly rule: SubstitutionRule
  readonly placeholder: string
  /** The real value. Never logged, never in an error. */
  readonly value: string
}

/** A key of AWS. */
export interface AwsKey {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  /** Null of a long-lived key. */
  readonly sessionToken: string | null
}

/** Requests that are signed with the placeholder are signed with the key instead. */
export interface Signing {
  readonly rule: SigningRule
  readonly placeholder: AwsKey
  /** Never logged, never in an error. */
  readonly value: AwsKey
}

export interface StepDoors {
  readonly step: string
  /** The address that its packets come from; see `JOB_NETWORK.stepSources`. */
  readonly source: string
  readonly sets: readonly RuleSet[]
  readonly substitutions: readonly Substitution[]
  /** Left out: none. */
  readonly signings?: readonly Signing[]
  /** Worthless texts that nobody has a reason to send: a request with one is refused, and an alert. */
  readonly honeytokens: readonly string[]
  /** UDP rules with an exact name: the relay that stands for (name, port). */
  readonly relays: readonly { readonly index: number; readonly name: string; readonly port: number }[]
  /** Substitutions may be added while its doors are open. Left out: none is. */
  readonly awaitsSubstitutions?: boolean
  /** `JOB_NETWORK.tokenHost` answers this step: what it is asked there goes to the supervisor. Left out: it is a name as any other. */
  readonly asksTokens?: boolean
}

/** A request for an identity token. Chosen by the job: printable ASCII, each text at most `TOKEN_TEXT_MAX` long. */
export interface TokenQuestion {
  readonly method: string
  /** Path and query as they were sent. */
  readonly target: string
  /** The header; null when it was not sent. */
  readonly authorization: string | null
}

export interface TokenAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** It may hold a token. */
  readonly body: string
}

export const TOKEN_TEXT_MAX = 8192

/** Of one job, that wait for an answer at a time. */
export const TOKEN_QUESTIONS_MAX = 16

export type ToGate =
  | { readonly type: 'configure'; readonly config: GateConfig }
  | { readonly type: 'open-step'; readonly doors: StepDoors }
  /** Shuts the step's doors and ends its connections; answered by `step-closed`. */
  | { readonly type: 'close-step'; readonly step: string }
  /** One more, for a step whose doors are open, which awaits it; answered by `substituting`. */
  | { readonly type: 'substitute'; readonly step: string; readonly substitution: Substitution }
  /** Answer to `whose`; null: unknown. */
  | { readonly type: 'executable'; readonly id: number; readonly path: string | null }
  /** Answer to `token`; null: there is none. */
  | { readonly type: 'token-answer'; readonly id: number; readonly answer: TokenAnswer | null }

/** Everything in it may have been chosen by the job: the supervisor checks shape and size before it believes a field. */
export type FromGate =
  /** `authority`: the certificate (PEM) of this job's own authority, or null. */
  | { readonly type: 'ready'; readonly authority: string | null }
  | { readonly type: 'step-open'; readonly step: string }
  /** False: its doors are not open any more. */
  | { readonly type: 'substituting'; readonly step: string; readonly open: boolean }
  | {
      readonly type: 'step-closed'
      readonly step: string
      readonly used: readonly DoorUse[]
      /** Refusals of the same kind to the same target are one. */
      readonly refused: readonly { readonly refusal: Refusal; readonly count: number }[]
      /** Beyond the number that is told apart. */
      readonly refusedMore: number
    }
  /** The first of its kind and target, at once: for the step's log. */
  | { readonly type: 'refused'; readonly step: string; readonly refusal: Refusal }
  /** The first connection to a destination, at once. */
  | { readonly type: 'used'; readonly step: string; readonly host: string; readonly port: number; readonly rule: string | null }
  | { readonly type: 'alert'; readonly step: string; readonly kind: AlertKind; readonly detail: string; readonly bytes: number | null }
  /** Which program of the step has the connection from this port? */
  | { readonly type: 'whose'; readonly id: number; readonly step: string; readonly port: number }
  /** The step asks for an identity token. */
  | { readonly type: 'token'; readonly id: number; readonly step: string; readonly question: TokenQuestion }
  /** The gate cannot go on; it ends after this. */
  | { readonly type: 'failed'; readonly message: string }

export type AlertKind = 'budget' | 'placeholder' | 'honeytoken' | 'echo' | 'upload' | 'name-flood' | 'connection-flood'
