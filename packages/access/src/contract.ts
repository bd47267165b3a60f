// SPDX-License-Identifier: Apache-2.0
// What may leave a job, as plain data: it goes to the gate as JSON, and into the record. Nothing here does anything.

export type Protocol = 'tls' | 'http' | 'ssh' | 'tcp' | 'udp'

/** Where a rule was written; every refusal and explanation names it. */
export interface RuleOrigin {
  /** A file as the user named it, or the option, e.g. `sallyport.yml` or `--allow`. */
  readonly source: string
  /** 1-based; null for options. */
  readonly line: number | null
  readonly column: number | null
  /** The rule as it was written, on one line, e.g. `*.example.test:443` or `preset: npm`. */
  readonly text: string
}

/** `exact`: the name itself. `suffix`: every name below it, at any depth, but not the name itself (`*.example.test`). Lower case, no final dot. */
export interface NamePattern {
  readonly kind: 'exact' | 'suffix'
  readonly name: string
}

export interface PortRange {
  readonly first: number
  readonly last: number
}

/**
 * A path in normal form, split at `/`. A segment is literal, `{placeholder}` or `*` (one whole segment), or `**` (one segment or
 * more, only as the last). Compared segment by segment after the request's own path was brought into normal form.
 */
export type PathSegment =
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'any'; readonly name: string | null }
  | { readonly kind: 'rest' }

/** Conditions that only a terminated connection (or plain HTTP) can be held to. */
export interface HttpCondition {
  /** Upper case; null for every method but CONNECT, TRACE, and PRI. */
  readonly methods: readonly string[] | null
  /** One of them must match; null for every path. */
  readonly paths: readonly (readonly PathSegment[])[] | null
  /** A GraphQL endpoint does everything through one path: it needs to be meant. */
  readonly graphql: boolean
  readonly websocket: boolean
}

/** For one rule, over a whole job. Null is no limit of the rule's own. */
export interface Budget {
  readonly bytesOut: number | null
  readonly bytesIn: number | null
  readonly bytesPerSecond: number | null
}

export interface EgressRule {
  readonly origin: RuleOrigin
  readonly to:
    | { readonly kind: 'name'; readonly pattern: NamePattern }
    /** IPv4 or IPv6 in CIDR form; for destinations that are named by address. */
    | { readonly kind: 'network'; readonly cidr: string }
  readonly ports: readonly PortRange[]
  readonly protocol: Protocol
  /** Null: whatever is said over the connection. A `tls` rule with a condition is terminated at the gate. */
  readonly http: HttpCondition | null
  /** `any` lets a ClientHello without a name, or an encrypted one, through. Only without `http`. */
  readonly serverName: 'required' | 'any'
  /** Absolute paths of programs inside the sandbox. It only narrows: what a process says that it is is no proof. Null for every program. */
  readonly executables: readonly string[] | null
  readonly budget: Budget
}

/** Rules from one author. What is allowed must be allowed by every set: the request's and the ceiling's. */
export interface RuleSet {
  readonly author: 'request' | 'ceiling'
  /** How to name it in a message, e.g. `sallyport.yml` or `/etc/sallyport/config.yml`. */
  readonly source: string
  readonly rules: readonly EgressRule[]
  /** Nothing is refused by this set, all is recorded. */
  readonly observes: boolean
  /** Where a line that allows more would have to be added, e.g. `jobs.build.egress`. */
  readonly place: string
}

/** Why something was not let through. Short, static words; every value in it was cut and cleaned of control characters. */
export interface Refusal {
  readonly code: RefusalCode
  /** What was meant, e.g. `evil.example.test:443` or `POST https://api.example.test/gists`. */
  readonly target: string
  /** One sentence. */
  readonly reason: string
  /** The rule that came nearest, as `file:line`, or null. */
  readonly rule: string | null
  /** What somebody would add to allow it, with the file and the place, or null where no rule can. */
  readonly remedy: string | null
}

export type RefusalCode =
  | 'no-rule' // the request has none
  | 'ceiling' // the operator allows less
  | 'protocol' // other bytes than the rule says
  | 'server-name' // SNI missing, encrypted, or another name's
  | 'host-header' // Host or :authority is another name's
  | 'method'
  | 'path'
  | 'graphql'
  | 'upgrade'
  | 'malformed' // ambiguous or invalid DNS, TLS or HTTP
  | 'address' // the name stands for an address that is not to be reached
  | 'unresolved' // the real name server has no address for it
  | 'unreachable' // nobody answers at the checked address
  | 'upstream-certificate'
  | 'budget'
  | 'executable'
  | 'placeholder' // a placeholder where it must not be
  | 'signature' // of AWS: not by the step's placeholder key, or not for what its grant names
  | 'connections' // too many at a time
  | 'step-ended'
  | 'datagram' // UDP (also QUIC) or another protocol without a rule

/** A value that the gate puts in for its placeholder; see docs/egress.md. The value itself never goes into a record. */
export interface SubstitutionRule {
  /** The secret's name, for records. */
  readonly name: string
  readonly hosts: readonly NamePattern[]
  readonly in:
    | { readonly header: string }
    | { readonly query: string }
    /** Dot-separated path into a JSON or form body. */
    | { readonly body: string }
  readonly methods: readonly string[] | null
  readonly paths: readonly (readonly PathSegment[])[] | null
}

/** Requests to AWS that the step signs with a placeholder of a key, and the gate with the key; see docs/secrets.md. */
export interface SigningRule extends Omit<SubstitutionRule, 'in'> {
  readonly aws: AwsScope
}

/** What a signature may be for, as it says itself (its credential scope). */
export interface AwsScope {
  /** By their names in a signature, e.g. `s3`; at least one. */
  readonly services: readonly string[]
  /** Null: every one. */
  readonly regions: readonly string[] | null
}

/** A request that the gate saw. */
export interface SeenRequest {
  readonly method: string
  readonly path: string
  readonly count: number
  /** A rule with conditions has to say `graphql: true` for it, whatever its path; or `websocket: true`. */
  readonly graphql: boolean
  readonly websocket: boolean
}

/** What a step did with one destination. */
export interface DoorUse {
  readonly host: string
  readonly port: number
  readonly protocol: Protocol
  /** `file:line` or the option, of the request's rule; null when observing. */
  readonly rule: string | null
  readonly connections: number
  readonly bytesOut: number
  readonly bytesIn: number
  /** Distinct methods and paths, where the gate saw them. */
  readonly requests: readonly SeenRequest[]
  /** Requests that are none of these: a job chooses how many different ones it makes, and a report has an end. */
  readonly requestsMore: number
}

// ---- decisions: pure functions of the rule sets of one step (decide.ts)

export interface ConnectionTarget {
  /** The name that the synthetic address stands for; null when the job named an address itself. */
  readonly name: string | null
  /** The address that the job named itself; null with a name. */
  readonly address: string | null
  readonly port: number
  readonly transport: 'tcp' | 'udp'
  /** Of the connecting program; null while unknown: then rules with `executables` do not match. */
  readonly executable: string | null
}

/** The most specific rules that allow something. The budgets of both are kept. */
export interface DecidingRules {
  /** The request's, which goes into the record; null when only observing. */
  readonly rule: EgressRule | null
  /** The operator's; null where there is no ceiling. */
  readonly ceiling: EgressRule | null
}

export type Decision = ({ readonly allowed: true } & DecidingRules) | { readonly allowed: false; readonly refusal: Refusal }

export interface AllowedConnection {
  readonly allowed: true
  /** Protocols that every set allows; with `tcp` in it any bytes are. */
  readonly protocols: readonly Protocol[]
  /** TLS of it must be terminated: in some set only rules with an HTTP condition match. */
  readonly terminates: boolean
  readonly serverName: 'required' | 'any'
  /** The request's rules that match, most specific first; empty when only observing. */
  readonly rules: readonly EgressRule[]
  /** A rule with `executables` would match too: with the program known, more may be allowed. */
  readonly asksExecutable: boolean
  /** What was decided, about what: for {@link Refusal}s that come later. */
  readonly target: ConnectionTarget
  readonly sets: readonly RuleSet[]
}

export type ConnectionDecision =
  | AllowedConnection
  | {
      readonly allowed: false
      readonly refusal: Refusal /** A rule with `executables` would match: ask for the program and decide again. */
      readonly asksExecutable: boolean
    }

/** One request in normal form, as the gate will write it. */
export interface RequestFacts {
  readonly target: ConnectionTarget
  /** `tls` for a terminated connection. */
  readonly protocol: 'tls' | 'http'
  readonly method: string
  readonly path: NormalPath
  readonly upgrade: 'websocket' | null
  /** It may hold a GraphQL operation, by the path's last name or by the body's type. */
  readonly graphql: boolean
}

export interface NormalPath {
  /** Decoded where RFC 3986 says that it makes no difference; begins with `/`; without the query. */
  readonly text: string
  readonly segments: readonly string[]
  /** With `?`, or empty. As it came, after a check of its characters. */
  readonly query: string
}
