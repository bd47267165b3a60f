// SPDX-License-Identifier: Apache-2.0
import { Buffer } from 'node:buffer'
import { type Answer, buildResponse, parseQuery, type Query } from './message.ts'
import { encodeName } from './name.ts'
import { CLASS_IN, EXTENDED_ERROR, RCODE, RECORD } from './wire.ts'

export type NameVerdict =
  /** The synthetic address, dotted. */
  | { readonly kind: 'address'; readonly address: string }
  /** `reason`: one line for people, e.g. `no rule allows evil.test (sallyport.yml)`. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** Allowed, but the step has asked for too many names. */
  | { readonly kind: 'exhausted' }
  /** Nobody's doors are open where the question came from. */
  | { readonly kind: 'closed' }

export interface NameJudge {
  /** `name`: lower case, letters, digits, hyphens, underscores and dots only; asked for with any record type. */
  judge(name: string): NameVerdict
  /** The name that a synthetic address stands for, for this step; null for every other address. */
  nameOf(address: string): string | null
}

export interface AnsweredQuery {
  /** Null: the message deserves no answer. */
  readonly response: Buffer | null
  /** Why it was refused without a judgement, for the step's record; null if it was judged or silent. */
  readonly malformed: { readonly target: string; readonly reason: string } | null
}

/**
 * The answer to one message of the job. Only the A record of an allowed name has content. AAAA, HTTPS, SVCB, TXT and all the rest are empty: an HTTPS record would bring
 * ECH keys and HTTP/3 hints, and the others are what tunnels are made of. Nothing of the message ever goes to a real name server.
 * Never throws, whatever the bytes.
 */
export function answerQuery(message: Buffer, judge: NameJudge): AnsweredQuery {
  const parsed = parseQuery(message)
  if (parsed.kind === 'silent') return { response: null, malformed: null }
  if (parsed.kind === 'malformed') return refusal(parsed.query, { code: parsed.code }, 'the message is not one plain question')
  const { query } = parsed
  if (query.class !== CLASS_IN) {
    const reason = `class ${query.class} is not answered`
    return refusal(query, { code: RCODE.refused, error: { code: EXTENDED_ERROR.prohibited, text: reason } }, reason)
  }
  if (query.name === null) return answerNoHost(query)
  const address = reversedAddress(query.name)
  const answer = address === null ? answerName(query, query.name, judge) : answerAddress(query, address, judge)
  return { response: buildResponse(query, answer), malformed: null }
}

/** NXDOMAIN for the root would say that nothing exists below it (RFC 8020). */
function answerNoHost(query: Query): AnsweredQuery {
  const reason = 'no host has such a name'
  const code = query.shownName === '.' ? RCODE.refused : RCODE.noSuchName
  return refusal(query, { code, error: { code: EXTENDED_ERROR.blocked, text: reason } }, reason)
}

function refusal(query: Query, answer: Answer, reason: string): AnsweredQuery {
  return { response: buildResponse(query, answer), malformed: { target: query.shownName === '' ? 'DNS' : query.shownName, reason } }
}

function answerName(query: Query, name: string, judge: NameJudge): Answer {
  const verdict = judge.judge(name)
  switch (verdict.kind) {
    case 'address':
      return query.type === RECORD.a
        ? { code: RCODE.ok, record: { type: RECORD.a, data: addressBytes(verdict.address) } }
        : { code: RCODE.ok }
    case 'refused':
      return { code: RCODE.noSuchName, error: { code: EXTENDED_ERROR.blocked, text: verdict.reason } }
    case 'exhausted':
      return { code: RCODE.failed, error: { code: EXTENDED_ERROR.prohibited, text: 'this step has asked for too many names' } }
    case 'closed':
      return { code: RCODE.refused, error: { code: EXTENDED_ERROR.prohibited, text: 'the step has ended' } }
  }
}

function answerAddress(query: Query, address: string, judge: NameJudge): Answer {
  const name = judge.nameOf(address)
  const data = name === null ? null : encodeName(name)
  if (data === null) return { code: RCODE.noSuchName }
  return query.type === RECORD.ptr ? { code: RCODE.ok, record: { type: RECORD.ptr, data } } : { code: RCODE.ok }
}

/** `d.c.b.a.in-addr.arpa` of an address in 198.18.0.0/15, the job's own network: about others, rules decide as about every name. */
function reversedAddress(name: string): string | null {
  const parts = /^(\d{1,3})\.(\d{1,3})\.(18|19)\.198\.in-addr\.arpa$/.exec(name)
  return parts === null ? null : `198.${parts[3]}.${parts[2]}.${parts[1]}`
}

function addressBytes(address: string): Buffer {
  return Buffer.from(address.split('.').map(Number))
}
