// SPDX-License-Identifier: Apache-2.0
// The canonical spelling of a request's target. Texts are bytes: a character each, as they are on the wire.

/** Names and values in order, decoded. */
export type QueryPairs = readonly (readonly [name: string, value: string])[]

/** Services that take a path as it is; all others encode what is encoded once more, and take dot and empty segments out. */
const SINGLE_ENCODED: ReadonlySet<string> = new Set(['s3', 's3express', 's3-outposts', 's3-object-lambda'])

/** `path`: as it is on the wire, encoded once. */
export function canonicalUri(path: string, service: string): string {
  return SINGLE_ENCODED.has(service) ? encode(decoded(path), '/') : encode(withoutDots(path), '/')
}

/** RFC 3986 section 5.2.4, and empty segments, which AWS drops. */
function withoutDots(path: string): string {
  const kept: string[] = []
  const segments = path.split('/')
  for (const segment of segments) {
    if (segment === '..') kept.pop()
    else if (segment !== '' && segment !== '.') kept.push(segment)
  }
  const isDirectory = ['', '.', '..'].includes(segments.at(-1) ?? '') && kept.length > 0
  return `/${kept.join('/')}${isDirectory ? '/' : ''}`
}

/** Without its `?`. A + is one: clients of AWS write %20 for a space. */
export function queryPairs(query: string): QueryPairs {
  if (query === '') return []
  return query.split('&').flatMap((pair) => {
    if (pair === '') return []
    const at = pair.indexOf('=')
    return [at === -1 ? ([decoded(pair), ''] as const) : ([decoded(pair.slice(0, at)), decoded(pair.slice(at + 1))] as const)]
  })
}

export function queryText(pairs: QueryPairs): string {
  return pairs.map(([name, value]) => `${encode(name)}=${encode(value)}`).join('&')
}

export function canonicalQuery(pairs: QueryPairs): string {
  const encoded = pairs.map(([name, value]) => [encode(name), encode(value)] as const)
  const sorted = encoded.toSorted(([a, x], [b, y]) => compare(a, b) || compare(x, y))
  return sorted.map(([name, value]) => `${name}=${value}`).join('&')
}

const compare = (left: string, right: string): number => (left < right ? -1 : left > right ? 1 : 0)

const decoded = (text: string): string =>
  text.replaceAll(/%([0-9a-f]{2})/gi, (_match, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)))

/** Everything but the unreserved characters of RFC 3986, and `also`. */
function encode(text: string, also = ''): string {
  return text.replaceAll(/[^A-Za-z0-9\-._~]/g, (character) =>
    also.includes(character) ? character : `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  )
}
