// SPDX-License-Identifier: Apache-2.0
// Vectors: AWS's own suite for Signature Version 4, as in awslabs/aws-c-auth (Apache-2.0) at 495329c2433034bd8fd53fc6ba9e0202d3fac876: tests/aws-signing-test-suite/v4
// (those that normalise paths) and tests/test_chunked_signing.c.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type QueryPairs, queryPairs } from './canonical.ts'
import { ChunkChain, sha256Hex } from './chunk-chain.ts'
import { type Headers, type SignableRequest, scopeText, signature, signingKey } from './signature.ts'
import { parseAuthorization, parseCredential } from './signature-claim.ts'

const SHORT = '6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267'
const TOKEN =
  'AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=='

interface Vector {
  readonly name: string
  readonly method: string
  readonly target: string
  readonly headers?: Headers
  readonly body?: string
  readonly token?: string
  /** The signature in a header, and in the query. */
  readonly header: string
  readonly query: string
}

const vectors: readonly Vector[] = [
  {
    name: 'get-header-key-duplicate',
    method: 'GET',
    target: '/',
    headers: [
      ['my-header1', 'value2'],
      ['my-header1', 'value2'],
      ['my-header1', 'value1'],
    ],
    header: 'c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea',
    query: '3349ee0b81b4b589da0ff28a395c3591e04de515651dd74f298fa992d1507a97',
  },
  {
    name: 'get-header-value-order',
    method: 'GET',
    target: '/',
    headers: [
      ['my-header1', 'value4'],
      ['my-header1', 'value1'],
      ['my-header1', 'value3'],
      ['my-header1', 'value2'],
    ],
    header: '08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01',
    query: '313720e71ca6202fdcfa9b20f88de01a4eb0638a83c833b1c184359a4eda864e',
  },
  {
    name: 'get-header-value-trim',
    method: 'GET',
    target: '/',
    headers: [
      ['my-header1', ' value1'],
      ['my-header2', ' "a   b   c"'],
    ],
    header: 'acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736',
    query: 'e7bb0fd515e125e1aec2ecc4c0c17484fb06f6846b927c35e46005dd3df3acd4',
  },
  {
    name: 'get-relative-normalized',
    method: 'GET',
    target: '/example/..',
    header: '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31',
    query: 'e93c787ed7f371d5c6b165c1b38ede9550f4dce4144713e844b25b7192d3865d',
  },
  {
    name: 'get-relative-relative-normalized',
    method: 'GET',
    target: '/example1/example2/../..',
    header: '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31',
    query: 'e93c787ed7f371d5c6b165c1b38ede9550f4dce4144713e844b25b7192d3865d',
  },
  {
    name: 'get-slash-dot-slash-normalized',
    method: 'GET',
    target: '/./',
    header: '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31',
    query: 'e93c787ed7f371d5c6b165c1b38ede9550f4dce4144713e844b25b7192d3865d',
  },
  {
    name: 'get-slash-normalized',
    method: 'GET',
    target: '//',
    header: '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31',
    query: 'e93c787ed7f371d5c6b165c1b38ede9550f4dce4144713e844b25b7192d3865d',
  },
  {
    name: 'get-slash-pointless-dot-normalized',
    method: 'GET',
    target: '/./example',
    header: 'ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5',
    query: '35034b1a0bdd969f346975386daf8aedfd4976573b8348cf4f67eaa41c5857de',
  },
  {
    name: 'get-slashes-normalized',
    method: 'GET',
    target: '//example//',
    header: '9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84',
    query: 'c1834e8fb0307243711f0f907f6ab7311ed300d87f13792d7ee4da89ab93e082',
  },
  {
    name: 'get-space-normalized',
    method: 'GET',
    target: '/example space/',
    header: '652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741',
    query: '7a1f416954786484c9824d93c1f26ef64acb9b1b6c9154d08c9f07d0e394abf6',
  },
  {
    name: 'get-unreserved',
    method: 'GET',
    target: '/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz',
    header: '07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f',
    query: '95968482db1b9e0fadef6efc1bd24689f77c77d9ef56919c96a28cc92e0d6005',
  },
  {
    name: 'get-utf8',
    method: 'GET',
    target: '/ሴ',
    header: '8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85',
    query: '10eae3f14a260bd3911cc6d008d3c576d143b05b62f09782a7a4b37f52178e44',
  },
  {
    name: 'get-vanilla-empty-query-key',
    method: 'GET',
    target: '/?Param1=value1',
    header: 'a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb',
    query: '49096700cbbaa5753443850f40df10f904fc2fdb544dc9512203cc77c471a9de',
  },
  {
    name: 'get-vanilla-query-order-encoded',
    method: 'GET',
    target: '/?Param-3=Value3&Param=Value2&%E1%88%B4=Value1',
    header: '371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac',
    query: 'c5f1848ceec943ac2ca68ee720460c23aaae30a2300586597ada94c4a65e4787',
  },
  {
    name: 'get-vanilla-query-order-key-case',
    method: 'GET',
    target: '/?Param2=value2&Param1=value1',
    header: 'b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500',
    query: '86012e2c9ad4d77369f5d81c11f75158aae4f895a085212cc6d3f923d300bed5',
  },
  {
    name: 'get-vanilla-query-unreserved',
    method: 'GET',
    target:
      '/?-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz=-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz',
    header: '9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197',
    query: '8e76a88a7433637b12778d5592799b29ad21ecd6cf6325051c21d86f0acda2bf',
  },
  {
    name: 'get-vanilla-query',
    method: 'GET',
    target: '/',
    header: '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31',
    query: 'e93c787ed7f371d5c6b165c1b38ede9550f4dce4144713e844b25b7192d3865d',
  },
  {
    name: 'get-vanilla-utf8-query',
    method: 'GET',
    target: '/?ሴ=bar',
    header: '2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04',
    query: '0bdd809b1519ac4f0c1dc3540e2cc46bd0c7f778eda408b2ebf3b913d21ff600',
  },
  {
    name: 'get-vanilla-with-session-token',
    method: 'GET',
    target: '/',
    token: SHORT,
    header: '07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8',
    query: '7ff2b50b376cb4d151970630573d6291dc128cc5c2a12ffb237f73cc53f67b6c',
  },
  {
    name: 'get-vanilla',
    method: 'GET',
    target: '/',
    header: '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31',
    query: 'e93c787ed7f371d5c6b165c1b38ede9550f4dce4144713e844b25b7192d3865d',
  },
  {
    name: 'post-header-key-case',
    method: 'POST',
    target: '/',
    header: '5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b',
    query: '2ce6e6d2e0cf2f9d1b55fafec88cd20574c31dc2e7631979f71ba2310083e95b',
  },
  {
    name: 'post-header-key-sort',
    method: 'POST',
    target: '/',
    headers: [['my-header1', 'value1']],
    header: 'c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c',
    query: 'c09d07e0d55871f10f2a6d350d994acf6825a3cae70673d7def55616e6119dd7',
  },
  {
    name: 'post-header-value-case',
    method: 'POST',
    target: '/',
    headers: [['my-header1', 'VALUE1']],
    header: 'cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d',
    query: '0698bc9e4f7f9139065ba2909c0e99da257e8e2a42492a097bcd46d792391fed',
  },
  {
    name: 'post-sts-header-before',
    method: 'POST',
    target: '/',
    token: TOKEN,
    header: '85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead',
    query: '46c2e3c63c1dbe7d39f8ada16fe7f001c1f56c5791441565323677f96308871c',
  },
  {
    name: 'post-vanilla-empty-query-value',
    method: 'POST',
    target: '/?Param1=value1',
    header: '28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11',
    query: 'a9ef26247f293bffe40eeff86a0480ba8c14d31503b2e0c3399e3a16bf1a3682',
  },
  {
    name: 'post-vanilla-query',
    method: 'POST',
    target: '/?Param1=value1',
    header: '28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11',
    query: 'a9ef26247f293bffe40eeff86a0480ba8c14d31503b2e0c3399e3a16bf1a3682',
  },
  {
    name: 'post-vanilla',
    method: 'POST',
    target: '/',
    header: '5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b',
    query: '2ce6e6d2e0cf2f9d1b55fafec88cd20574c31dc2e7631979f71ba2310083e95b',
  },
  {
    name: 'post-x-www-form-urlencoded-parameters',
    method: 'POST',
    target: '/',
    headers: [
      ['content-type', 'application/x-www-form-urlencoded; charset=utf-8'],
      ['content-length', '13'],
      ['x-amz-content-sha256', '9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e'],
    ],
    body: 'Param1=value1',
    header: '328d1b9eaadca9f5818ef05e8392801e091653bafec24fcab71e7344e7f51422',
    query: '0dbeb9b026c7b6675f266b8427efec9b4fa8b1f6ef1477d717aea231106eab4d',
  },
  {
    name: 'post-x-www-form-urlencoded',
    method: 'POST',
    target: '/',
    headers: [
      ['content-type', 'application/x-www-form-urlencoded'],
      ['content-length', '13'],
      ['x-amz-content-sha256', '9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e'],
    ],
    body: 'Param1=value1',
    header: 'd3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b',
    query: '89a40deed0f26f9461242825a082d2222717248abc7ab41f552ad84a94ad46e9',
  },
]

const scope = { day: '20150830', region: 'us-east-1', service: 'service' }
const key = signingKey('wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY', scope)
const time = '20150830T123600Z'

/** Texts are bytes. */
const bytesOf = (text: string): string => Buffer.from(text).toString('latin1')

function requestOf({ method, target, headers = [], body = '' }: Vector): SignableRequest {
  const [path = '', query = ''] = bytesOf(target).split('?')
  return {
    method,
    path,
    query: queryPairs(query),
    headers: [['host', 'example.amazonaws.com'], ...headers],
    payload: sha256Hex(body),
    time,
  }
}

describe('a signature', () => {
  for (const vector of vectors) {
    it(`is what AWS publishes for ${vector.name}`, () => {
      const request = requestOf(vector)
      const token: Headers = vector.token === undefined ? [] : [['x-amz-security-token', vector.token]]
      assert.equal(signature({ ...request, headers: [...request.headers, ['x-amz-date', time], ...token] }, scope, key), vector.header)
      const headers = request.headers.filter(([name]) => name !== 'x-amz-content-sha256')
      const names = [...new Set(headers.map(([name]) => name))].sort().join(';')
      const own: QueryPairs = [
        ['X-Amz-Algorithm', 'AWS4-HMAC-SHA256'],
        ['X-Amz-Credential', `AKIDEXAMPLE/${scopeText(scope)}`],
        ['X-Amz-Date', time],
        ['X-Amz-SignedHeaders', names],
        ['X-Amz-Expires', '3600'],
        ...(vector.token === undefined ? [] : [['X-Amz-Security-Token', vector.token] as const]),
      ]
      assert.equal(signature({ ...request, headers, query: [...request.query, ...own] }, scope, key), vector.query)
    })
  }
})

describe('the signatures of chunks', () => {
  const s3 = { day: '20130524', region: 'us-east-1', service: 's3' }
  const s3Key = signingKey('wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY', s3)
  const s3Time = '20130524T000000Z'
  const request: SignableRequest = {
    method: 'PUT',
    path: '/examplebucket/chunkObject.txt',
    query: [],
    headers: [
      ['content-encoding', 'aws-chunked'],
      ['content-length', '66824'],
      ['host', 's3.amazonaws.com'],
      ['x-amz-content-sha256', 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD'],
      ['x-amz-date', s3Time],
      ['x-amz-decoded-content-length', '66560'],
      ['x-amz-storage-class', 'REDUCED_REDUNDANCY'],
    ],
    payload: 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
    time: s3Time,
  }
  const seed = '4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9'

  it('begin with that of the request, and go on from each to the next', () => {
    assert.equal(signature(request, s3, s3Key), seed)
    const chain = new ChunkChain(s3Key, s3, { time: s3Time, seed })
    const chunks = [Buffer.alloc(65_536, 'a'), Buffer.alloc(1024, 'a'), Buffer.alloc(0)]
    assert.deepEqual(
      chunks.map((chunk) => chain.next(chunk)),
      [
        'ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648',
        '0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497',
        'b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9',
      ],
    )
    const trailer = chain.trailer(Buffer.from('first:1st\nsecond:2nd\nthird:3rd\n'))
    assert.equal(trailer, 'df5735bd9f3295cd9386572292562fefc93ba94e80a0a1ddcbd652c4e0a75e6c')
  })
})

describe('a path', () => {
  const of = (path: string, service: string): string =>
    signature({ method: 'GET', path, query: [], headers: [], payload: '', time }, { ...scope, service }, key)

  it('is encoded once more for every service but S3', () => {
    assert.equal(of('/a%20b', 's3'), of('/a b', 's3'))
    assert.notEqual(of('/a%20b', 'service'), of('/a b', 'service'))
    assert.notEqual(of('/a/../b', 's3'), of('/b', 's3'))
  })
})

describe('what a request says of its signature', () => {
  const credential = 'AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request'
  const made = 'a'.repeat(64)

  it('is read with and without spaces', () => {
    for (const separator of [', ', ',', ' , ']) {
      const text = `AWS4-HMAC-SHA256 ${[`Credential=${credential}`, 'SignedHeaders=host;x-amz-date', `Signature=${made}`].join(separator)}`
      assert.deepEqual(parseAuthorization(text), {
        accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
        day: '20130524',
        region: 'us-east-1',
        service: 's3',
        signedHeaders: ['host', 'x-amz-date'],
        signature: made,
      })
    }
  })

  it('is nothing else', () => {
    for (const text of [
      '',
      `AWS4-ECDSA-P256-SHA256 Credential=${credential}, SignedHeaders=host, Signature=${made}`,
      `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=Host, Signature=${made}`,
      `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=host, Signature=${made}, Signature=${made}`,
      `AWS4-HMAC-SHA256 SignedHeaders=host, Credential=${credential}, Signature=${made}`,
    ])
      assert.equal(parseAuthorization(text), null, text)
    for (const text of ['', 'short/20130524/r/s/aws4_request', `${credential}/more`, credential.replace('aws4_request', 'aws5_request')])
      assert.equal(parseCredential(text), null, text)
  })
})
