// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RefusedError } from '../ports.ts'
import type { Destination } from './destination.ts'
import type { RequestHead } from './exchange-sides.ts'
import { fieldsOf } from './header-fields.ts'
import { type ParsedRequest, readRequest } from './read-request.ts'

const target = { name: 'api.test', address: null, port: 443, transport: 'tcp', executable: null } as const
const destination: Destination = {
  target,
  name: 'api.test',
  port: 443,
  protocol: 'tls',
  authority: 'api.test',
  origin: 'https://api.test',
  judgesPaths: true,
}
const elsewhere: Destination = {
  ...destination,
  target: { ...target, port: 8443 },
  port: 8443,
  authority: 'api.test:8443',
  origin: 'https://api.test:8443',
}

interface Asked {
  readonly method?: string
  readonly path?: string
  readonly host?: string | null
  readonly fields?: readonly string[]
  readonly version?: string
}

function headOf({ method = 'GET', path = '/a', host = 'api.test', fields = [], version = '1.1' }: Asked): RequestHead {
  return {
    version,
    method,
    target: path,
    scheme: null,
    authority: null,
    fields: fieldsOf([...(host === null ? [] : ['Host', host]), ...fields]),
  }
}

const read = (asked: Asked, where: Destination = destination): ParsedRequest => readRequest(headOf(asked), where)

function refusal(asked: Asked, where?: Destination): string {
  try {
    read(asked, where)
  } catch (error) {
    assert.ok(error instanceof RefusedError)
    return error.refusal.code
  }
  return 'none'
}

test('Host is the name of the connection, in any case, with the port or without it where it is the usual one', () => {
  for (const host of ['api.test', 'API.Test', 'api.test.', 'api.test:443', 'api.test.:443']) assert.equal(refusal({ host }), 'none', host)
  for (const host of [
    '',
    'api.test:',
    'api.test:80',
    'evil.test',
    'api.test@evil.test',
    'api.test:443:80',
    'api.test,evil.test',
    'xapi.test',
    'api.test..',
    '[::1]',
  ])
    assert.equal(refusal({ host }), 'host-header', host)
  assert.equal(refusal({ host: 'api.test:8443' }, elsewhere), 'none')
  assert.equal(refusal({ host: 'api.test' }, elsewhere), 'host-header')
})

test('HTTP/1.1 needs Host, HTTP/1.0 does not', () => {
  assert.equal(refusal({ host: null }), 'host-header')
  assert.equal(refusal({ host: null, version: '1.0' }), 'none')
  assert.equal(refusal({ host: 'evil.test', version: '1.0' }), 'host-header')
})

test('other versions that the parser takes are none', () => {
  for (const version of ['0.9', '2.0', '1.2', '']) assert.equal(refusal({ version }), 'malformed')
})

test('fields that name another host for a server behind a proxy are held to the same', () => {
  for (const name of ['X-Forwarded-Host', 'X-Original-Host', 'X-Host', 'X-HTTP-Host-Override']) {
    assert.equal(refusal({ fields: [name, 'evil.test'] }), 'host-header', name)
    assert.equal(refusal({ fields: [name, 'api.test'] }), 'none', name)
  }
  assert.equal(refusal({ fields: ['Forwarded', 'for=1.2.3.4;host=evil.test'] }), 'host-header')
  assert.equal(refusal({ fields: ['Forwarded', 'for=1.2.3.4, HOST="evil.test"'] }), 'host-header')
  assert.equal(refusal({ fields: ['Forwarded', 'for=1.2.3.4;host="api.test"'] }), 'none')
})

test('an absolute target is one of this host, and becomes a path', () => {
  assert.equal(read({ path: 'https://api.test/x?y=z' }).path.text, '/x')
  assert.equal(read({ path: 'HTTPS://API.test:443' }).path.text, '/')
  assert.equal(read({ path: 'https://api.test?y' }).path.query, '?y')
  for (const path of ['http://api.test/x', 'https://evil.test/x', 'https://api.test@evil.test/', 'https://api.test:80/', 'https:///x'])
    assert.equal(refusal({ path }), 'host-header', path)
  for (const path of ['ftp://api.test/x', 'https:/api.test/x', 'https:api.test', 'api.test:443', 'x', ''])
    assert.notEqual(refusal({ path }), 'none', path)
})

test('methods that a gate never passes on', () => {
  for (const method of ['CONNECT', 'TRACE', 'PRI', 'get', 'Get', 'GE T', '', 'G'.repeat(40)])
    assert.equal(refusal({ method }), 'method', method)
  for (const method of ['GET', 'PROPFIND', 'M-SEARCH', 'PURGE']) assert.equal(refusal({ method }), 'none', method)
})

test('a method or path named elsewhere is another reading of the request', () => {
  const readings = (asked: Asked): string[] => read(asked).readings.map(({ method, path }) => `${method} ${path.text}`)
  assert.deepEqual(readings({}), ['GET /a'])
  for (const name of ['X-HTTP-Method', 'x-http-method-override', 'X-Method-Override'])
    assert.deepEqual(readings({ method: 'POST', fields: [name, 'delete'] }), ['POST /a', 'DELETE /a'])
  assert.deepEqual(readings({ method: 'POST', path: '/a?x=1&_method=delete' }), ['POST /a', 'DELETE /a'])
  assert.deepEqual(readings({ method: 'POST', path: '/a?%5fMethod=PUT&_method=PATCH' }), ['POST /a', 'PUT /a', 'PATCH /a'])
  assert.deepEqual(readings({ fields: ['X-Original-URL', '/admin'] }), ['GET /a', 'GET /admin'])
  assert.deepEqual(readings({ fields: ['X-Rewrite-URL', '/b', 'X-HTTP-Method', 'PUT'] }), ['GET /a', 'GET /b', 'PUT /a', 'PUT /b'])
  assert.equal(refusal({ fields: ['X-HTTP-Method-Override', 'CONNECT'] }), 'method')
  assert.equal(refusal({ fields: ['X-HTTP-Method-Override', 'DE LETE'] }), 'method')
  assert.equal(refusal({ fields: ['X-HTTP-Method-Override', 'GET', 'x-http-method-override', 'DELETE'] }), 'malformed')
  assert.equal(refusal({ fields: ['X-Original-URL', '/x/../y'] }), 'malformed')
})

test('a method in the query is found in every spelling that a framework takes for it', () => {
  const methods = (query: string): string[] => read({ method: 'POST', path: `/a?${query}` }).readings.map(({ method }) => method)
  for (const query of [
    '.method=delete',
    '%20_method=DELETE',
    '+_method=DELETE',
    'x;_method=DELETE',
    '[method=DELETE',
    '_method%00x=DELETE',
    '_HttpMethod=DELETE',
  ])
    assert.deepEqual(methods(query), ['POST', 'DELETE'], query)
  for (const query of ['method=DELETE', 'a_method=DELETE', '_methods=DELETE', 'x=_method'])
    assert.deepEqual(methods(query), ['POST'], query)
})

test('a field that decides about a request has one spelling: many servers take others for the same', () => {
  for (const name of [
    'X_HTTP_Method_Override',
    'x_original_url',
    'X_Forwarded_Host',
    'Content_Length',
    'transfer_encoding',
    'X.Host',
    'Content_Type',
  ])
    assert.equal(refusal({ fields: [name, 'api.test'] }), 'malformed', name)
  assert.equal(refusal({ fields: ['X_Mine', '1', 'client_id', '2'] }), 'none')
})

test('fields of one value stand once, and what frames a message is not hop by hop', () => {
  for (const name of ['Authorization', 'Content-Type', 'Host', 'Range'])
    assert.equal(refusal({ fields: [name, 'api.test', name.toUpperCase(), 'api.test'] }), 'malformed', name)
  for (const name of ['authorization', 'Content-Length', 'cookie', 'host'])
    assert.equal(refusal({ fields: ['Connection', `close, ${name}`] }), 'malformed', name)
})

test('what is written is end to end, and without what the gate writes itself', () => {
  const fields = [
    'Connection',
    'close, X-Mine',
    'X-Mine',
    '1',
    'Keep-Alive',
    '5',
    'TE',
    'gzip',
    'Proxy-Authorization',
    'x',
    'Expect',
    '100-continue',
    'Content-Length',
    '3',
    'Accept',
    '*/*',
  ]
  const request = read({ method: 'POST', fields })
  assert.deepEqual(request.fields, [{ name: 'Accept', value: '*/*' }])
  assert.deepEqual([request.bodyBytes, request.expectsContinue], [3, true])
})

test('TE is kept for HTTP/2, where it says that trailers are understood', () => {
  const head = { ...headOf({ host: null, fields: ['te', 'trailers'] }), version: '2', scheme: 'https', authority: 'api.test' }
  assert.deepEqual(readRequest(head, destination).fields, [{ name: 'te', value: 'trailers' }])
})

test('an upgrade is one to a websocket, asked for as RFC 6455 has it', () => {
  const websocket = ['Connection', 'keep-alive, Upgrade', 'Upgrade', 'WebSocket']
  assert.equal(read({ fields: websocket }).upgrade, 'websocket')
  assert.equal(refusal({ fields: ['Connection', 'Upgrade', 'Upgrade', 'h2c'] }), 'upgrade')
  assert.equal(refusal({ fields: ['Upgrade', 'websocket'] }), 'upgrade')
  assert.equal(refusal({ fields: ['Connection', 'Upgrade'] }), 'upgrade')
  assert.equal(refusal({ fields: ['HTTP2-Settings', 'AA'] }), 'upgrade')
  assert.equal(refusal({ fields: ['Connection', 'Upgrade', 'Upgrade', 'websocket, h2c'] }), 'upgrade')
  assert.equal(refusal({ method: 'POST', fields: websocket }), 'malformed')
  assert.equal(refusal({ fields: [...websocket, 'Content-Length', '3'] }), 'malformed')
})

test('GraphQL is told by its path, or by what it is sent', () => {
  const isGraphql = (asked: Asked): boolean => read({ method: 'POST', ...asked }).readings.some(({ graphql }) => graphql)
  for (const path of [
    '/graphql',
    '/api/GraphQL',
    '/graphql/',
    '/v1/graphql?query=x',
    '/graphql.json',
    '/graphql;x=y',
    '/api%2Fgraphql',
    '/%EF%BD%87raphql',
  ])
    assert.equal(isGraphql({ path }), true, path)
  assert.equal(isGraphql({ path: '/x', fields: ['Content-Type', 'application/graphql; charset=utf-8'] }), true)
  assert.equal(isGraphql({ path: '/x', fields: ['X-Original-URL', '/graphql'] }), true)
  for (const path of ['/graphql-docs', '/graphql/x', '/xgraphql']) assert.equal(isGraphql({ path }), false, path)
})

test('a package of the name graphql can be read, an endpoint of that name cannot be asked', () => {
  const isGraphql = (asked: Asked): boolean => read(asked).readings.some(({ graphql }) => graphql)
  for (const method of ['GET', 'HEAD']) assert.equal(isGraphql({ method, path: '/graphql' }), false)
  for (const asked of [
    { path: '/graphql?query=x' },
    { path: '/graphql', fields: ['Content-Type', 'application/json'] },
    { path: '/graphql', fields: ['X-HTTP-Method-Override', 'POST'] },
    { path: '/x?query=x', fields: ['X-Original-URL', '/graphql'] },
    { path: '/graphql', fields: ['Connection', 'Upgrade', 'Upgrade', 'websocket'] },
  ])
    assert.equal(isGraphql(asked), true, JSON.stringify(asked))
})

test('a refusal names what was meant in printable characters, cut', () => {
  const asked = { method: 'GET', path: `/${'a'.repeat(500)}`, host: 'evil.test\u00ff\u00fe' }
  assert.throws(
    () => read(asked),
    (error) => error instanceof RefusedError && error.refusal.target.length <= 201 && /^[\x20-\x7e]+$/.test(error.refusal.reason),
  )
})
