// SPDX-License-Identifier: Apache-2.0
import { scopeText, sha256Hex, signature, signingKey } from '@sallyport/aws-signature'

export interface AwsCredentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  /** Null of a long-lived key. */
  readonly sessionToken: string | null
}

export interface SignedScope {
  readonly region: string
  readonly service: string
  readonly credentials: AwsCredentials
  readonly nowMs: number
}

/** A request to `/` without a query: everything that we ask. Headers by lower-case name. */
export interface SignableRequest {
  readonly method: string
  readonly host: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

/**
 * The headers of AWS Signature Version 4, to be sent beside those that were signed. All of them are.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html
 */
export function signV4({ method, host, headers, body }: SignableRequest, scope: SignedScope): Readonly<Record<string, string>> {
  const { region, service, credentials, nowMs } = scope
  const time = new Date(nowMs).toISOString().replaceAll(/[-:]|\.\d{3}/g, '')
  const { accessKeyId, secretAccessKey, sessionToken } = credentials
  const added = { 'x-amz-date': time, ...(sessionToken !== null && { 'x-amz-security-token': sessionToken }) }
  const signed = Object.entries({ ...headers, ...added, host })
  const place = { day: time.slice(0, 8), region, service }
  const request = { method, path: '/', query: [], headers: signed, payload: sha256Hex(body), time }
  const names = signed.map(([name]) => name).sort()
  const parts = [
    `Credential=${accessKeyId}/${scopeText(place)}`,
    `SignedHeaders=${names.join(';')}`,
    `Signature=${signature(request, place, signingKey(secretAccessKey, place))}`,
  ]
  return { ...added, authorization: `AWS4-HMAC-SHA256 ${parts.join(', ')}` }
}
