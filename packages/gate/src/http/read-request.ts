// SPDX-License-Identifier: Apache-2.0
import { isGraphqlRequest, keepPath, type NormalPath, normalisePath, type RefusalCode, type RequestFacts } from '@sallyport/access'
import { RefusedError } from '../ports.ts'
import type { Destination } from './destination.ts'
import type { RequestHead } from './exchange-sides.ts'
import { bytesOf, endToEnd, type HeaderFields, hasField, listOf, valuesOf, withoutFields } from './header-fields.ts'
import { cleaned } from './refusal-text.ts'

/** A request as the gate understood it, and as it will be written: nothing of the original's own spelling is left. */
export interface ParsedRequest {
  readonly method: string
  readonly path: NormalPath
  /** End to end, without Host, Content-Length and Expect. */
  readonly fields: HeaderFields
  readonly bodyBytes: number | null
  readonly expectsContinue: boolean
  readonly upgrade: 'websocket' | null
  /** What a server may take the request for: as it is, and what its override fields make of it. All of them must be allowed. */
  readonly readings: readonly [RequestFacts, ...RequestFacts[]]
}

export const FIELDS_MAX = 128
export const HEAD_BYTES_MAX: number = 32 * 1024

const VERSIONS: ReadonlySet<string> = new Set(['1.0', '1.1', '2'])

/** Two of them mean that two programs may each believe another one (RFC 9110 section 5.3). */
const SINGLE_VALUED = [
  'authorization',
  'content-length',
  'content-type',
  'content-encoding',
  'expect',
  'host',
  'origin',
  'range',
  'referer',
  'upgrade',
  'user-agent',
]

/** `Connection: authorization` would have a server see another request than the one that was judged. */
const NEVER_HOP_BY_HOP: ReadonlySet<string> = new Set([
  'authorization',
  'content-encoding',
  'content-length',
  'content-type',
  'cookie',
  'host',
])

/** Written by the gate itself. */
const WRITTEN_ANEW: ReadonlySet<string> = new Set(['host', 'content-length', 'expect'])

/** Frameworks (Rails, Laravel, Spring, Express) that take the method of a POST from elsewhere. */
const METHOD_FIELDS = ['x-http-method', 'x-http-method-override', 'x-method-override']
/** Symfony, Zend and IIS's rewriting take the path from these. */
const PATH_FIELDS = ['x-original-url', 'x-rewrite-url', 'x-override-url', 'x-original-uri']
/** Virtual hosts behind a proxy are chosen by these. */
const HOST_FIELDS = ['x-forwarded-host', 'x-original-host', 'x-host', 'x-http-host-override']

/** Fields that decide about a request, whoever reads it. */
const DECISIVE: ReadonlySet<string> = new Set([
  ...SINGLE_VALUED,
  ...METHOD_FIELDS,
  ...PATH_FIELDS,
  ...HOST_FIELDS,
  'connection',
  'cookie',
  'forwarded',
  'transfer-encoding',
])

/**
 * Untrusted: everything in `head` was chosen by the job, and passed a strict parser.
 * @throws RefusedError for what is ambiguous, or meant for another host.
 */
export function readRequest(head: RequestHead, destination: Destination): ParsedRequest {
  const refuse = (code: RefusalCode, reason: string): never => {
    const target = cleaned(`${head.method} ${destination.origin}${head.target.startsWith('/') ? head.target.split('?')[0] : ''}`)
    throw new RefusedError({ code, target, reason, rule: null, remedy: null })
  }
  const path = (raw: string): NormalPath => {
    const result = destination.judgesPaths ? normalisePath(raw) : keepPath(raw)
    return result.ok ? result.path : refuse(result.refusal.code, result.refusal.reason)
  }
  // The parser takes 0.9 and 2.0 too. The first has no header fields, so it would name no host.
  if (!VERSIONS.has(head.version)) refuse('malformed', 'the version of HTTP is neither 1.0 nor 1.1 nor 2')
  checkMethod(head.method, refuse)
  checkFields(head.fields, refuse)
  const normal = path(checkAuthority(head, destination, refuse))
  const upgrade = upgradeOf(head, refuse)
  const methods = [head.method, ...otherMethods(head.fields, normal.query, refuse)]
  const paths = [normal, ...PATH_FIELDS.flatMap((name) => valuesOf(head.fields, name)).map(path)]
  // A server reads a body only with its type.
  const carries = upgrade !== null || hasField(head.fields, 'content-type') || paths.some(({ query }) => query !== '')
  const reading = (method: string, path: NormalPath): RequestFacts => {
    const { target, protocol } = destination
    return { target, protocol, method, path, upgrade, graphql: isSentGraphql(head.fields) || isGraphqlRequest(method, path, carries) }
  }
  const others = methods.flatMap((method) => paths.map((path) => reading(method, path))).slice(1)
  return {
    method: head.method,
    path: normal,
    fields: [...withoutFields(endToEnd(head.fields), WRITTEN_ANEW), ...wantsTrailers(head)],
    bodyBytes: bodyBytesOf(head, refuse),
    expectsContinue: expectation(head.fields, refuse),
    upgrade,
    readings: [reading(head.method, normal), ...others],
  }
}

type Refuse = (code: RefusalCode, reason: string) => never

function checkMethod(method: string, refuse: Refuse): void {
  // HTTP/2 has no list of methods: `post` is not POST, but some servers think so.
  if (!isMethod(method)) refuse('method', 'a method is made of upper case letters')
  // A tunnel, an echo of the request's secrets, and the beginning of another protocol: no rule can allow them.
  if (method === 'CONNECT' || method === 'TRACE' || method === 'PRI') refuse('method', `${method} is never let through`)
}

const isMethod = (text: string): boolean => /^[A-Z][A-Z_-]{0,31}$/.test(text)

function checkFields(fields: HeaderFields, refuse: Refuse): void {
  if (fields.length > FIELDS_MAX) refuse('malformed', `the request has more than ${FIELDS_MAX} header fields`)
  if (bytesOf(fields) > HEAD_BYTES_MAX) refuse('malformed', 'the header section is larger than 32 KiB')
  for (const { name, value } of fields) {
    if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name)) refuse('malformed', 'the name of a header field is no token')
    if (/[^\t\x20-\x7e\x80-\xff]/.test(value)) refuse('malformed', 'a header field holds control characters')
    const variable = asVariable(name)
    if (DECISIVE.has(variable) && variable !== name.toLowerCase()) refuse('malformed', `a header field is ${variable} to some servers`)
  }
  for (const name of [...SINGLE_VALUED, ...METHOD_FIELDS, ...PATH_FIELDS, ...HOST_FIELDS])
    if (valuesOf(fields, name).length > 1) refuse('malformed', `the request has two ${name} header fields`)
  for (const name of listOf(fields, 'connection')) if (NEVER_HOP_BY_HOP.has(name)) refuse('malformed', `Connection names ${name}`)
}

/** CGI and what came after it (PHP, WSGI, Rack) hand a field on as a variable, in whose name everything but letters and digits is the same. */
const asVariable = (name: string): string => name.toLowerCase().replaceAll(/[^a-z0-9]/g, '-')

/** The target in origin form, once everything that names a host was found to name this one. */
function checkAuthority(head: RequestHead, destination: Destination, refuse: Refuse): string {
  const check = (authority: string): void => {
    if (!meansDestination(authority, destination))
      refuse('host-header', `the request is meant for "${cleaned(authority)}", the connection for "${destination.authority}"`)
  }
  const hosts = valuesOf(head.fields, 'host')
  if (head.version === '1.1' && hosts.length !== 1) refuse('host-header', 'a request of HTTP/1.1 must have one Host')
  const named = [...hosts, ...HOST_FIELDS.flatMap((name) => valuesOf(head.fields, name)), ...forwardedHosts(head.fields)]
  for (const host of named) check(host)
  if (head.version === '2') {
    if (head.scheme !== (destination.protocol === 'tls' ? 'https' : 'http')) refuse('malformed', 'the scheme is not that of the connection')
    check(head.authority ?? hosts[0] ?? '')
    return head.target
  }
  if (!/^[a-z][a-z0-9+.-]*:/i.test(head.target)) return head.target
  // RFC 9112 section 3.2.2: a server goes by an absolute target, whatever Host says.
  const [, scheme, authority, rest] =
    /^(https?):\/\/([^/?#]*)(.*)$/i.exec(head.target) ?? refuse('malformed', 'the target is no URL of HTTP')
  if (scheme?.toLowerCase() !== (destination.protocol === 'tls' ? 'https' : 'http'))
    refuse('host-header', 'the scheme is not that of the connection')
  check(authority ?? '')
  return rest?.startsWith('/') ? rest : `/${rest ?? ''}`
}

/** `name`, `name.` and both with the port, in any case. Without a port the scheme's own is meant. */
function meansDestination(authority: string, { name, port, protocol }: Destination): boolean {
  const parts = /^([^:@]*?)\.?(?::([0-9]{1,5}))?$/.exec(authority.toLowerCase())
  if (parts === null || parts[1] !== name) return false
  return (parts[2] === undefined ? (protocol === 'tls' ? 443 : 80) : Number(parts[2])) === port
}

/** RFC 7239. */
function forwardedHosts(fields: HeaderFields): string[] {
  const matches = valuesOf(fields, 'forwarded').flatMap((value) => [...value.matchAll(/host\s*=\s*("[^"]*"|[^;,\s]*)/gi)])
  return matches.map((match) => (match[1] ?? '').replaceAll('"', ''))
}

/**
 * RFC 9112 section 6: Content-Length or Transfer-Encoding, and nothing else than `chunked`. The parser refuses both at once, and every number that is not one; it takes
 * `gzip, chunked` and `identity` beside `chunked`, which others read otherwise.
 */
function bodyBytesOf({ version, fields }: RequestHead, refuse: Refuse): number | null {
  const encodings = valuesOf(fields, 'transfer-encoding')
  const lengths = valuesOf(fields, 'content-length')
  if (
    encodings.length > 0 &&
    (version !== '1.1' || encodings.length > 1 || lengths.length > 0 || encodings[0]?.toLowerCase() !== 'chunked')
  )
    refuse('malformed', 'Transfer-Encoding is not just "chunked"')
  if (lengths.length === 0) return null
  const length = Number(lengths[0])
  return /^[0-9]+$/.test(lengths[0] ?? '') && Number.isSafeInteger(length) ? length : refuse('malformed', 'Content-Length is no length')
}

/** The one connection-specific field of HTTP/2 (RFC 9113 section 8.2.2), without which gRPC servers do not answer. HTTP/1 trailers are left out. */
function wantsTrailers({ version, fields }: RequestHead): HeaderFields {
  return version === '2' && listOf(fields, 'te').includes('trailers') ? [{ name: 'te', value: 'trailers' }] : []
}

function expectation(fields: HeaderFields, refuse: Refuse): boolean {
  const [expected] = valuesOf(fields, 'expect')
  if (expected === undefined) return false
  return expected.toLowerCase() === '100-continue' || refuse('malformed', 'the request expects something unknown')
}

/** `h2c` and whatever else would make other bytes of the rest of the connection than those that are judged. */
function upgradeOf({ version, method, fields }: RequestHead, refuse: Refuse): 'websocket' | null {
  if (version === '2') return null
  const [protocol] = valuesOf(fields, 'upgrade')
  const isAsked = listOf(fields, 'connection').includes('upgrade')
  if (protocol === undefined && !isAsked && !hasField(fields, 'http2-settings')) return null
  if (protocol?.toLowerCase() !== 'websocket' || !isAsked) refuse('upgrade', 'the connection would become something else than a websocket')
  const hasBody = valuesOf(fields, 'content-length').some((value) => value !== '0') || hasField(fields, 'transfer-encoding')
  if (method !== 'GET' || version !== '1.1' || hasBody) refuse('malformed', 'a websocket begins with a GET of HTTP/1.1 without a body')
  return 'websocket'
}

/** An endpoint by whatever name. */
function isSentGraphql(fields: HeaderFields): boolean {
  const type = valuesOf(fields, 'content-type')[0]?.split(';')[0]?.trim().toLowerCase() ?? ''
  return type === 'application/graphql' || type === 'application/graphql+json'
}

function otherMethods(fields: HeaderFields, query: string, refuse: Refuse): string[] {
  const named = [...METHOD_FIELDS.flatMap((name) => valuesOf(fields, name)), ...methodsInQuery(query)]
  const methods = named.map((value) => value.trim().toUpperCase())
  for (const method of methods) checkMethod(method, refuse)
  return methods
}

/** Rails, Laravel and their like take `_method`, Salesforce `_HttpMethod`. PHP reads `.method` and `[method` as the first, older servers split at `;`, too. */
function methodsInQuery(query: string): string[] {
  const pairs = query.split(/[?&;]/).flatMap((pair) => Array.from(new URLSearchParams(pair).entries()))
  return pairs.filter(([name]) => /^ *[_.[ ](http)?method(\0.*)?$/i.test(name)).map(([, value]) => value)
}
