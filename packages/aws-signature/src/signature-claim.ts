// SPDX-License-Identifier: Apache-2.0
import type { SigningScope } from './signature.ts'

/** What a request says of its own signature. */
export interface SignatureClaim extends SigningScope {
  readonly accessKeyId: string
  /** Lower-case names, in order. */
  readonly signedHeaders: readonly string[]
  /** Hexadecimal. */
  readonly signature: string
}

const AUTHORIZATION =
  /^AWS4-HMAC-SHA256 +Credential=([^, ]{1,512}) *, *SignedHeaders=([a-z0-9!#$%&'*+.^_`|~;-]{1,4096}) *, *Signature=([0-9a-f]{64})$/

const CREDENTIAL = /^([A-Za-z0-9]{16,128})\/([0-9]{8})\/([A-Za-z0-9-]{1,64})\/([A-Za-z0-9._-]{1,64})\/aws4_request$/

/** Value of an Authorization field. Null: none of this kind. */
export function parseAuthorization(value: string): SignatureClaim | null {
  const [, credential = '', names = '', signature = ''] = AUTHORIZATION.exec(value) ?? []
  const parts = parseCredential(credential)
  return parts && { ...parts, signedHeaders: names.split(';'), signature }
}

/** `AKIA…/20150830/us-east-1/s3/aws4_request` */
export function parseCredential(text: string): Pick<SignatureClaim, 'accessKeyId' | 'day' | 'region' | 'service'> | null {
  const [, accessKeyId, day = '', region = '', service = ''] = CREDENTIAL.exec(text) ?? []
  return accessKeyId === undefined ? null : { accessKeyId, day, region, service }
}
