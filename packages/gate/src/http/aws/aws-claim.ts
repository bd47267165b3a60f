// SPDX-License-Identifier: Apache-2.0
import { parseAuthorization, parseCredential, type QueryPairs, queryPairs, type SignatureClaim } from '@sallyport/aws-signature'
import type { RequestHead } from '../exchange-sides.ts'
import { valuesOf } from '../header-fields.ts'

/** What a request says of its signature by AWS's version 4, and where. Chosen by the job. */
export interface AwsClaim extends SignatureClaim {
  readonly place: 'header' | 'query'
  /** `20150830T123600Z` */
  readonly time: string
  /** Of a presigned URL, in seconds. */
  readonly expiresS: number | null
  readonly token: string | null
  /** What it says its body is: a SHA-256 or one of AWS's words. Null: nothing, so that it is the hash of the body. */
  readonly payload: string | null
}

/** A claim that is none, in words that go on after "the signature …". */
export interface ClaimFlaw {
  readonly flaw: string
}

/** As it came: the path as the client signed it. */
export interface RawTarget {
  readonly path: string
  readonly query: QueryPairs
}

export function rawTarget({ target }: RequestHead): RawTarget {
  const [, path = '', query = ''] = /^(?:https?:\/\/[^/?#]*)?([^?]*)\??(.*)$/is.exec(target) ?? []
  return { path: path === '' ? '/' : path, query: queryPairs(query) }
}

const TIME = /^[0-9]{8}T[0-9]{6}Z$/
const HMAC = 'AWS4-HMAC-SHA256'
const ASYMMETRIC = 'AWS4-ECDSA-P256-SHA256'

const ASYMMETRIC_FLAW =
  'is of version 4A, which is not made with a shared key: set AWS_SIGV4A_SIGNING_REGION_SET and multi-region access points aside, so that version 4 is used'

/** `text`: where the placeholder of a key was found; null: nowhere in the head's places for one. */
export function claimedKeyText({ fields }: RequestHead, { query }: RawTarget): readonly string[] {
  return [...valuesOf(fields, 'authorization'), ...query.filter(([name]) => name === 'X-Amz-Credential').map(([, value]) => value)]
}

export function readAwsClaim(head: RequestHead, { query }: RawTarget): AwsClaim | ClaimFlaw {
  const [authorization] = valuesOf(head.fields, 'authorization')
  const isPresigned = query.some(([name]) => name.startsWith('X-Amz-') && name !== 'X-Amz-Content-Sha256')
  if (authorization === undefined) return readQuery(head, query)
  if (isPresigned) return { flaw: 'stands in the header and in the query' }
  return readHeader(head, authorization)
}

function readHeader({ fields }: RequestHead, authorization: string): AwsClaim | ClaimFlaw {
  if (authorization.startsWith(ASYMMETRIC)) return { flaw: ASYMMETRIC_FLAW }
  const claim = parseAuthorization(authorization)
  const [time = ''] = valuesOf(fields, 'x-amz-date')
  const [token = null] = valuesOf(fields, 'x-amz-security-token')
  if (claim === null) return { flaw: `is none of ${HMAC}` }
  if (!TIME.test(time)) return { flaw: 'has no x-amz-date' }
  if (!claim.signedHeaders.includes('x-amz-date')) return { flaw: 'does not sign its own date' }
  return { ...claim, place: 'header', time, expiresS: null, token, payload: valuesOf(fields, 'x-amz-content-sha256')[0] ?? null }
}

function readQuery({ fields }: RequestHead, query: QueryPairs): AwsClaim | ClaimFlaw {
  const own = new Map(query.filter(([name]) => name.startsWith('X-Amz-')))
  if (own.size !== query.filter(([name]) => name.startsWith('X-Amz-')).length) return { flaw: 'says something twice' }
  const algorithm = own.get('X-Amz-Algorithm')
  if (algorithm === ASYMMETRIC) return { flaw: ASYMMETRIC_FLAW }
  const parts = parseCredential(own.get('X-Amz-Credential') ?? '')
  const time = own.get('X-Amz-Date') ?? ''
  const expires = own.get('X-Amz-Expires') ?? ''
  const signature = own.get('X-Amz-Signature') ?? ''
  if (algorithm !== HMAC || parts === null || !TIME.test(time) || !/^[0-9a-f]{64}$/.test(signature)) return { flaw: `is none of ${HMAC}` }
  if (!/^[1-9][0-9]{0,5}$/.test(expires)) return { flaw: 'does not say when it expires' }
  const said = own.get('X-Amz-Content-Sha256') ?? valuesOf(fields, 'x-amz-content-sha256')[0] ?? null
  return {
    ...parts,
    place: 'query',
    signature,
    signedHeaders: (own.get('X-Amz-SignedHeaders') ?? '').split(';'),
    time,
    expiresS: Number(expires),
    token: own.get('X-Amz-Security-Token') ?? null,
    payload: said ?? (parts.service === 's3' ? 'UNSIGNED-PAYLOAD' : null),
  }
}
