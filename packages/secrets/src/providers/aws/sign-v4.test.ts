// SPDX-License-Identifier: Apache-2.0
// Vectors: AWS's own suite for Signature Version 4, as in awslabs/aws-c-auth (Apache-2.0), tests/aws-signing-test-suite/v4, at 495329c2433034bd8fd53fc6ba9e0202d3fac876.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type SignableRequest, signV4 } from './sign-v4.ts'

const SHA256_OF_BODY = '9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e'
const TOKEN =
  'AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=='

interface Vector extends Partial<SignableRequest> {
  readonly token?: string
  readonly signed: string
  readonly signature: string
}

const formOf = (type: string): Pick<SignableRequest, 'headers' | 'body'> => ({
  headers: { 'content-type': type, 'content-length': '13', 'x-amz-content-sha256': SHA256_OF_BODY },
  body: Buffer.from('Param1=value1'),
})
const FORM_HEADERS = 'content-length;content-type;host;x-amz-content-sha256;x-amz-date'

const vectors: Readonly<Record<string, Vector>> = {
  'get-vanilla': {
    method: 'GET',
    signed: 'host;x-amz-date',
    signature: '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31',
  },
  'get-header-value-trim': {
    method: 'GET',
    headers: { 'my-header1': ' value1', 'my-header2': ' "a   b   c"' },
    signed: 'host;my-header1;my-header2;x-amz-date',
    signature: 'acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736',
  },
  'post-vanilla': { signed: 'host;x-amz-date', signature: '5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b' },
  'post-header-key-sort': {
    headers: { 'my-header1': 'value1' },
    signed: 'host;my-header1;x-amz-date',
    signature: 'c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c',
  },
  'post-sts-header-before': {
    token: TOKEN,
    signed: 'host;x-amz-date;x-amz-security-token',
    signature: '85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead',
  },
  'post-x-www-form-urlencoded': {
    ...formOf('application/x-www-form-urlencoded'),
    signed: FORM_HEADERS,
    signature: 'd3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b',
  },
  'post-x-www-form-urlencoded-parameters': {
    ...formOf('application/x-www-form-urlencoded; charset=utf-8'),
    signed: FORM_HEADERS,
    signature: '328d1b9eaadca9f5818ef05e8392801e091653bafec24fcab71e7344e7f51422',
  },
}

describe('Signature Version 4', () => {
  for (const [name, { token, signed, signature, ...request }] of Object.entries(vectors)) {
    it(`is what AWS publishes for ${name}`, () => {
      const whole = { method: 'POST', host: 'example.amazonaws.com', headers: {}, body: new Uint8Array(), ...request }
      const credentials = {
        accessKeyId: 'AKIDEXAMPLE',
        secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
        sessionToken: token ?? null,
      }
      const scope = { region: 'us-east-1', service: 'service', credentials, nowMs: Date.parse('2015-08-30T12:36:00Z') }
      const { authorization } = signV4(whole, scope)
      const scopeText = 'Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request'
      assert.equal(authorization, `AWS4-HMAC-SHA256 ${scopeText}, SignedHeaders=${signed}, Signature=${signature}`)
    })
  }
})
