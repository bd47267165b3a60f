// SPDX-License-Identifier: Apache-2.0
import { quote } from '@sallyport/core'
import type { NormalPath, Refusal } from './contract.ts'

export type NormalPathResult =
  | { readonly ok: true; readonly path: NormalPath }
  | { readonly ok: false; readonly refusal: Omit<Refusal, 'target'> }

/** As much as Node's HTTP parser takes for all headers of a request. */
const TARGET_LENGTH_MAX = 16_384

/**
 * The path of a request in the form in which rules are compared with it, and in which it is sent on. Untrusted: chosen by the job.
 *
 * Servers and their proxies disagree about what a path means once it holds dot segments, empty segments, encoded separators or double
 * encoding (Orange Tsai, "Breaking Parser Logic", 2018). Everything that could come out as another path at one of them is refused, not
 * repaired. What RFC 3986 (6.2.2) calls equivalent is made one: `%7E` is `~`, `%c3` is `%C3`.
 *
 * - `%2F` stays: npm asks for `/@scope%2fname`. It is part of its segment, which only a literal or `**` matches, and a segment is refused
 *   in which a server that decodes it would find an empty or a dot segment.
 * - `;` stays, as RFC 3986 allows it: a rule is compared with the whole segment, so that a parameter never makes a segment look like another.
 *   But `..;x`, which Tomcat takes for `..`, and `;x` are refused.
 *
 * `*` (of `OPTIONS *`) has no segments, and no pattern of a rule matches it.
 */
export function normalisePath(raw: string): NormalPathResult {
  if (raw === '*') return { ok: true, path: { text: '*', segments: [], query: '' } }
  const [rawPath, query] = splitQuery(raw)
  const flaw = targetFlaw(raw) ?? pathFlaw(rawPath)
  if (flaw !== null) return refuse(flaw)
  const text = rawPath.replaceAll(/%[0-9a-f]{2}/gi, decodeUnreserved)
  const segments = text.slice(1).split('/')
  const ambiguous = segments.findIndex((segment, index) => isAmbiguous(segment, index === segments.length - 1))
  if (ambiguous >= 0)
    return refuse(`the segment ${quote(segments[ambiguous] ?? '')} of the path means different things to different servers`)
  return { ok: true, path: { text, segments, query } }
}

/**
 * The path as it came, for a connection over which no set cares about requests: every path of that host is allowed, so that what it means to the server
 * is the server's business alone (flat apt repositories ask for `/debian/./Release`). It has no segments: no pattern can match it.
 */
export function keepPath(raw: string): NormalPathResult {
  const [rawPath, query] = splitQuery(raw)
  const flaw = targetFlaw(raw) ?? (rawPath.startsWith('/') ? null : 'the path does not begin with /')
  return flaw === null ? { ok: true, path: { text: rawPath, segments: [], query } } : refuse(flaw)
}

function refuse(reason: string): NormalPathResult {
  return { ok: false, refusal: { code: 'malformed', reason, rule: null, remedy: null } }
}

function splitQuery(raw: string): readonly [path: string, query: string] {
  const at = raw.indexOf('?')
  return at < 0 ? [raw, ''] : [raw.slice(0, at), raw.slice(at)]
}

function targetFlaw(raw: string): string | null {
  if (raw.length > TARGET_LENGTH_MAX) return `the path is longer than ${TARGET_LENGTH_MAX} characters`
  if (/[^\x21-\x7e]/.test(raw)) return 'the path holds spaces, control or non-ASCII characters'
  return raw.includes('#') ? 'the path has a fragment' : null
}

function pathFlaw(path: string): string | null {
  if (!path.startsWith('/')) return 'the path does not begin with /'
  if (path.includes('\\') || /%5c/i.test(path)) return 'the path has a backslash, which some servers take for /'
  if (/%(?![0-9a-f]{2})/i.test(path)) return 'the path has a % that begins no percent-encoding'
  if (/%25/.test(path)) return 'the path has a % that is itself percent-encoded: it could be decoded twice'
  if (/%([01][0-9a-f]|7f)/i.test(path)) return 'the path has percent-encoded control characters'
  const odd = /[^A-Za-z0-9\-._~!$&'()*+,;=:@/%]/.exec(path)?.[0]
  if (odd !== undefined) return `the path has ${quote(odd)}, which must be percent-encoded`
  return decoded(path) === null ? 'the path has percent-encoding that is no UTF-8' : null
}

/** Null for what is no UTF-8: overlong forms too, which once made `%c0%ae` a dot. */
function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text)
  } catch (error) {
    if (error instanceof URIError) return null
    throw error
  }
}

function decodeUnreserved(encoded: string): string {
  const char = String.fromCharCode(Number.parseInt(encoded.slice(1), 16))
  return /[A-Za-z0-9\-._~]/.test(char) ? char : encoded.toUpperCase()
}

/** Whether a server that decodes, drops parameters, or folds characters to ASCII (NFKC) could find another number of segments in it. */
function isAmbiguous(segment: string, isLast: boolean): boolean {
  const plain = decoded(segment) ?? ''
  const folded = plain.normalize('NFKC')
  if (folded.includes('\\') || folded.split('/').length !== plain.split('/').length) return true
  if (isLast && segment === '') return false
  return namesIn(segment).some((name) => name === '' || name === '.' || name === '..')
}

/** What the most lenient server finds in one segment: it decodes `%2F`, folds characters, and drops parameters and the spaces around a name. */
export function namesIn(segment: string): readonly string[] {
  const folded = (decoded(segment) ?? '').normalize('NFKC')
  return folded.split('/').map((piece) => (piece.split(';')[0] ?? '').trim())
}
