// SPDX-License-Identifier: Apache-2.0
// The hook by which a job uses a key of AWS that it never has: it signs with a placeholder, and what it has signed is checked and signed again at the gate.
import { timingSafeEqual } from 'node:crypto'
import { decideRequest } from '@sallyport/access'
import {
  ChunkChain,
  type Headers,
  type QueryPairs,
  queryPairs,
  queryText,
  type SignableRequest,
  scopeText,
  sha256Hex,
  signature,
  signingKey,
} from '@sallyport/aws-signature'
import type { Signing } from '../../contract.ts'
import type { OpenStep, RefusedError } from '../../ports.ts'
import type { BodyStage } from '../body-pump.ts'
import type { Destination } from '../destination.ts'
import type { RequestHead } from '../exchange-sides.ts'
import { type HeaderField, hasField, valuesOf, withoutFields } from '../header-fields.ts'
import type { ParsedRequest } from '../read-request.ts'
import { asRuleSet } from '../substitution-rules.ts'
import { type AwsClaim, claimedKeyText, type RawTarget, rawTarget, readAwsClaim } from './aws-claim.ts'
import { ChunkStage } from './chunk-stage.ts'
import { PayloadStage } from './payload-stage.ts'

/** The least that services of AWS allow: a signature is made when it is used. */
const SKEW_MS = 5 * 60_000
/** What the AWS CLI makes without a word. The job's own URL is worth nothing elsewhere; what the gate sends in its place is worth something as long. */
const EXPIRES_S_MAX = 3600

const OWN_FIELDS: ReadonlySet<string> = new Set(['authorization', 'x-amz-security-token'])
const OWN_PARAMETERS: ReadonlySet<string> = new Set(['X-Amz-Credential', 'X-Amz-Security-Token', 'X-Amz-SignedHeaders', 'X-Amz-Signature'])

/** A request that was signed with a placeholder. Nothing of it goes out before `sign`. */
export interface PendingSigning {
  /** The request without what only its signature needs. */
  readonly stripped: ParsedRequest
  /** The signature is for the SHA-256 of the body, which nobody has said. */
  readonly needsBody: boolean
  /**
   * `request`: what goes out but for the signature; `body`: where it is needed.
   * @throws RefusedError where the placeholder did not make the signature
   */
  sign(request: ParsedRequest, body: Uint8Array): SignedRequest
}

export interface SignedRequest {
  readonly request: ParsedRequest
  /** What the body has to go through. */
  readonly stage: BodyStage | null
  /** Once, when the body is no longer needed. */
  release(): void
}

export interface SigningPorts {
  readonly nowMs: () => number
  /** Of the step's budget; null: too much is held already. */
  readonly hold: (bytes: number) => { release(): void } | null
  readonly refused: (reason: string) => RefusedError
}

/**
 * The signing that a request asks for, with everything about it checked that can be without its body. Null: no placeholder of a key has signed it.
 *
 * @throws RefusedError `signature`
 */
export function pendingSigning(
  { head, asked, destination }: { readonly head: RequestHead; readonly asked: ParsedRequest; readonly destination: Destination },
  { doors }: Pick<OpenStep, 'doors'>,
  ports: SigningPorts,
): PendingSigning | null {
  const raw = rawTarget(head)
  const keys = claimedKeyText(head, raw)
  const signing = doors.signings?.find(({ placeholder }) => keys.some((text) => text.includes(placeholder.accessKeyId)))
  if (signing === undefined) return null
  const { name } = signing.rule
  const refuse = (reason: string): never => {
    throw ports.refused(reason)
  }
  if (!isFor(signing, asked, destination)) refuse(`the key of ${name} is for other requests than this one`)
  const claim = readAwsClaim(head, raw)
  if ('flaw' in claim) return refuse(`the signature ${claim.flaw}`)
  checkScope(signing, claim, refuse)
  checkTime(claim, ports.nowMs(), refuse)
  checkFields(signing, claim, head, refuse)
  const payload = payloadOf(claim, refuse)
  return {
    stripped: strippedOf(asked),
    needsBody: payload.kind === 'body',
    sign: (request, body) => {
      const said = payload.kind === 'body' ? sha256Hex(body) : payload.text
      verify(signing, { claim, head, raw, payload: said, method: asked.method }, refuse)
      checkKept(claim, request, refuse)
      const made = signedAnew(signing, claim, { request, destination, payload: said })
      return { request: made.request, ...stageOf(payload, { signing, claim, seed: made.signature }, ports) }
    },
  }
}

type Refuse = (reason: string) => never

/** A signature is made only for a server that has proved who it is. */
function isFor({ rule }: Signing, { readings }: ParsedRequest, { protocol }: Destination): boolean {
  const set = asRuleSet(rule)
  return protocol === 'tls' && readings.every((reading) => decideRequest([set], reading).allowed)
}

function checkScope({ rule, placeholder }: Signing, { accessKeyId, service, region, day, time }: AwsClaim, refuse: Refuse): void {
  const { services, regions } = rule.aws
  if (accessKeyId !== placeholder.accessKeyId) refuse('the signature is none of the placeholder')
  if (!services.includes(service))
    refuse(`the signature is for the service ${service}, and the key of ${rule.name} for ${services.join(', ')}`)
  if (regions !== null && !regions.includes(region))
    refuse(`the signature is for the region ${region}, and the key of ${rule.name} for ${regions.join(', ')}`)
  if (day !== time.slice(0, 8)) refuse('the signature has two dates')
}

function checkTime({ time, expiresS }: AwsClaim, nowMs: number, refuse: Refuse): void {
  const madeMs = Date.parse(time.replace(/^(....)(..)(..T..)(..)(..Z)$/, '$1-$2-$3:$4:$5'))
  if (!(madeMs <= nowMs + SKEW_MS)) refuse('the signature is of the future')
  if (expiresS === null && madeMs < nowMs - SKEW_MS) refuse('the signature is older than 5 minutes')
  if (expiresS === null) return
  if (expiresS > EXPIRES_S_MAX) refuse(`the URL is good for longer than ${EXPIRES_S_MAX} seconds: presign it for less`)
  if (madeMs + expiresS * 1000 < nowMs) refuse('the URL has expired')
}

/** What AWS would take a hint from has to be signed: it is signed at the gate in any case. */
function checkFields({ placeholder }: Signing, { token, signedHeaders }: AwsClaim, { fields }: RequestHead, refuse: Refuse): void {
  if (!isSame(token ?? '', placeholder.sessionToken ?? '')) refuse("the session token is not the placeholder's")
  if (ONCE.some((name) => valuesOf(fields, name).length > 1)) refuse('the signature says something twice')
  if (!signedHeaders.includes('host')) refuse('the signature does not sign the host')
  const unsigned = fields.find(({ name }) => isOfAws(name) && !signedHeaders.includes(name.toLowerCase()))
  if (unsigned !== undefined) refuse(`the signature does not sign the header ${unsigned.name.toLowerCase()}`)
}

const ONCE = ['x-amz-date', 'x-amz-content-sha256', 'x-amz-security-token']

/** A session token may be added to a request that is signed. */
const isOfAws = (name: string): boolean => /^x-amz-/i.test(name) && name.toLowerCase() !== 'x-amz-security-token'

type Payload =
  | { readonly kind: 'body' }
  | { readonly kind: 'hash' | 'unsigned'; readonly text: string }
  | { readonly kind: 'chunks'; readonly text: string; readonly hasTrailer: boolean }

/** https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html, x-amz-content-sha256 */
function payloadOf({ payload: text }: AwsClaim, refuse: Refuse): Payload {
  if (text === null) return { kind: 'body' }
  if (/^[0-9a-f]{64}$/.test(text)) return { kind: 'hash', text }
  switch (text) {
    case 'UNSIGNED-PAYLOAD':
    case 'STREAMING-UNSIGNED-PAYLOAD-TRAILER':
      return { kind: 'unsigned', text }
    case 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD':
      return { kind: 'chunks', text, hasTrailer: false }
    case 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER':
      return { kind: 'chunks', text, hasTrailer: true }
    case 'STREAMING-AWS4-HMAC-SHA256-EVENTS':
      return refuse('a body of signed events cannot be signed again')
    default:
      return refuse(
        text.startsWith('STREAMING-AWS4-ECDSA')
          ? 'a body in chunks of version 4A cannot be signed again'
          : 'the body is signed in an unknown way',
      )
  }
}

interface Claimed {
  readonly claim: AwsClaim
  readonly head: RequestHead
  readonly raw: RawTarget
  readonly payload: string
  readonly method: string
}

/** As the client has signed it: by its own spelling of everything. */
function verify({ placeholder }: Signing, { claim, head, raw, payload, method }: Claimed, refuse: Refuse): void {
  const headers = claim.signedHeaders.flatMap((name): Headers => {
    const values = name === 'host' && head.authority !== null ? [head.authority] : valuesOf(head.fields, name)
    return values.length === 0 ? refuse('the signature signs a header that the request has not') : values.map((value) => [name, value])
  })
  const query = raw.query.filter(([name]) => claim.place === 'header' || name !== 'X-Amz-Signature')
  const request: SignableRequest = { method, path: raw.path, query, headers, payload, time: claim.time }
  const expected = signature(request, claim, signingKey(placeholder.secretAccessKey, claim))
  if (!isSame(expected, claim.signature)) refuse('the request is not what the placeholder has signed')
}

interface Outgoing {
  readonly request: ParsedRequest
  readonly destination: Destination
  readonly payload: string
}

function signedAnew(
  { value }: Signing,
  claim: AwsClaim,
  { request, destination, payload }: Outgoing,
): { request: ParsedRequest; signature: string } {
  const token: HeaderField[] =
    claim.place === 'header' && value.sessionToken !== null ? [{ name: 'X-Amz-Security-Token', value: value.sessionToken }] : []
  const fields = [...request.fields, ...token]
  const headers = headersToSign(claim, fields, destination)
  const names = [...new Set(headers.map(([name]) => name))].sort().join(';')
  const pairs = claim.place === 'header' ? [] : ownPairs(claim, value, names)
  const query = withPairs(request.path.query, pairs)
  const signable = {
    method: request.method,
    path: request.path.text,
    query: queryPairs(query.slice(1)),
    headers,
    payload,
    time: claim.time,
  }
  const made = signature(signable, claim, signingKey(value.secretAccessKey, claim))
  if (claim.place === 'query') {
    const signed = withPairs(query, [['X-Amz-Signature', made]])
    return { request: { ...request, fields, path: { ...request.path, query: signed } }, signature: made }
  }
  const credential = `Credential=${value.accessKeyId}/${scopeText(claim)}`
  const authorization = { name: 'Authorization', value: `AWS4-HMAC-SHA256 ${credential}, SignedHeaders=${names}, Signature=${made}` }
  return { request: { ...request, fields: [...fields, authorization] }, signature: made }
}

/** What was signed is what goes out: a field that means something to the next hop only could be made of any (Connection). */
function checkKept({ signedHeaders }: AwsClaim, { fields }: ParsedRequest, refuse: Refuse): void {
  const lost = signedHeaders.find((name) => !NOT_SENT_ON.has(name) && !hasField(fields, name))
  if (lost !== undefined) refuse(`the signature signs the header ${lost}, which does not go out`)
}

/** Written by the gate, or for one connection; the token is added with the signature. */
const NOT_SENT_ON: ReadonlySet<string> = new Set([
  'host',
  'content-length',
  'expect',
  'connection',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'x-amz-security-token',
])

/** What the client signed and still goes out as a field, and whatever AWS would take a hint from. What frames the message is written by the gate. */
function headersToSign({ signedHeaders }: AwsClaim, fields: readonly HeaderField[], { authority }: Destination): Headers {
  const isSigned = (name: string): boolean => signedHeaders.includes(name) || name.startsWith('x-amz-')
  const others = fields.map(({ name, value }) => [name.toLowerCase(), value] as const).filter(([name]) => isSigned(name))
  return [['host', authority], ...others]
}

function ownPairs(claim: AwsClaim, { accessKeyId, sessionToken }: Signing['value'], names: string): QueryPairs {
  const token: QueryPairs = sessionToken === null ? [] : [['X-Amz-Security-Token', sessionToken]]
  return [['X-Amz-Credential', `${accessKeyId}/${scopeText(claim)}`], ...token, ['X-Amz-SignedHeaders', names]]
}

const withPairs = (query: string, pairs: QueryPairs): string =>
  pairs.length === 0 ? query : `${query === '' ? '?' : query === '?' ? '?' : `${query}&`}${queryText(pairs)}`

/** The rest is searched for placeholders as every request is. */
function strippedOf(asked: ParsedRequest): ParsedRequest {
  const pairs = asked.path.query.slice(1).split('&')
  const query = pairs.filter((pair) => !OWN_PARAMETERS.has(pair.split('=', 1)[0] ?? '')).join('&')
  return {
    ...asked,
    path: { ...asked.path, query: asked.path.query === '' ? '' : `?${query}` },
    fields: withoutFields(asked.fields, OWN_FIELDS),
  }
}

interface Chain {
  readonly signing: Signing
  readonly claim: AwsClaim
  /** Of the request as it goes out. */
  readonly seed: string
}

function stageOf(payload: Payload, { signing, claim, seed }: Chain, { hold, refused }: SigningPorts): Omit<SignedRequest, 'request'> {
  const nothing = (): void => undefined
  if (payload.kind === 'hash') return { stage: new PayloadStage(payload.text, refused), release: nothing }
  if (payload.kind !== 'chunks') return { stage: null, release: nothing }
  const chain = (secret: string, first: string): ChunkChain =>
    new ChunkChain(signingKey(secret, claim), claim, { time: claim.time, seed: first })
  const stage = new ChunkStage({
    claimed: chain(signing.placeholder.secretAccessKey, claim.signature),
    real: chain(signing.value.secretAccessKey, seed),
    hasTrailer: payload.hasTrailer,
    hold,
    refusal: refused,
  })
  return { stage, release: () => stage.release() }
}

function isSame(left: string, right: string): boolean {
  const [one, other] = [Buffer.from(left), Buffer.from(right)]
  return one.length === other.length && timingSafeEqual(one, other)
}
