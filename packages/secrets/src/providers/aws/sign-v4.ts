// SPDX-License-Identifier: Apache-2.0
import { createHash, createHmac } from 'node:crypto'

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
  const { sessionToken } = credentials
  const added = { 'x-amz-date': time, ...(sessionToken !== null && { 'x-amz-security-token': sessionToken }) }
  const signed = Object.entries({ ...headers, ...added, host }).toSorted(([a], [b]) => (a < b ? -1 : 1))
  const names = signed.map(([name]) => name).join(';')
  const lines = signed.map(([name, value]) => `${name}:${value.trim().replaceAll(/ +/g, ' ')}\n`).join('')
  const canonical = `${method}\n/\n\n${lines}\n${names}\n${sha256(body)}`
  const day = time.slice(0, 8)
  const credentialScope = `${day}/${region}/${service}/aws4_request`
  const toSign = `AWS4-HMAC-SHA256\n${time}\n${credentialScope}\n${sha256(canonical)}`
  const signature = hmac(signingKey(credentials.secretAccessKey, [day, region, service, 'aws4_request']), toSign).toString('hex')
  const authorization = `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/${credentialScope}, SignedHeaders=${names}, Signature=${signature}`
  return { ...added, authorization }
}

function signingKey(secret: string, parts: readonly string[]): Buffer {
  return parts.reduce<Buffer>((key, part) => hmac(key, part), Buffer.from(`AWS4${secret}`))
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}

function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex')
}
