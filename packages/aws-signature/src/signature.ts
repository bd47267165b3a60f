// SPDX-License-Identifier: Apache-2.0
// AWS Signature Version 4: https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html
import { createHash, createHmac } from 'node:crypto'
import { canonicalQuery, canonicalUri, type QueryPairs } from './canonical.ts'

export interface SigningScope {
  /** `20150830` */
  readonly day: string
  readonly region: string
  readonly service: string
}

/** By lower-case name; several fields of a name are several entries, in their order. */
export type Headers = readonly (readonly [name: string, value: string])[]

export interface SignableRequest {
  readonly method: string
  /** As it is on the wire. */
  readonly path: string
  readonly query: QueryPairs
  /** Those that are signed, `host` too. Texts are bytes, a character each. */
  readonly headers: Headers
  /** Hexadecimal SHA-256 of the body, or one of AWS's words for other bodies. */
  readonly payload: string
  /** `20150830T123600Z` */
  readonly time: string
}

export function scopeText({ day, region, service }: SigningScope): string {
  return `${day}/${region}/${service}/aws4_request`
}

export function signingKey(secretAccessKey: string, { day, region, service }: SigningScope): Buffer {
  const parts = [day, region, service, 'aws4_request']
  return parts.reduce<Buffer>((key, part) => hmac(key, part), Buffer.from(`AWS4${secretAccessKey}`))
}

/** Hexadecimal. */
export function signature(request: SignableRequest, scope: SigningScope, key: Buffer): string {
  const { method, path, query, headers, payload, time } = request
  const names = [...new Set(headers.map(([name]) => name))].sort()
  const lines = names.map((name) => `${name}:${valueOf(headers, name)}\n`).join('')
  const uri = canonicalUri(path, scope.service)
  const canonical = `${method}\n${uri}\n${canonicalQuery(query)}\n${lines}\n${names.join(';')}\n${payload}`
  const hash = createHash('sha256').update(canonical, 'latin1').digest('hex')
  return hmac(key, `AWS4-HMAC-SHA256\n${time}\n${scopeText(scope)}\n${hash}`).toString('hex')
}

function valueOf(headers: Headers, name: string): string {
  const values = headers.filter(([each]) => each === name).map(([, value]) => value.trim().replaceAll(/[ \t]+/g, ' '))
  return values.join(',')
}

export function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text, 'latin1').digest()
}
