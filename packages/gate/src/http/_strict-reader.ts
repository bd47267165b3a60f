// SPDX-License-Identifier: Apache-2.0

export interface StrictRequest {
  readonly method: string
  readonly target: string
  readonly host: string
  readonly body: string
}

const CONNECTION_FIELDS = new Set(['connection', 'transfer-encoding', 'upgrade', 'content-length', 'host'])

/**
 * Requests in the one form in which every program reads them alike: CR LF, one Host, one Content-Length or one `Transfer-Encoding: chunked` or neither, chunks without extensions, no
 * trailers. Null for everything else. The last one may be cut off.
 */
export function parseStrictly(bytes: Buffer): StrictRequest[] | null {
  const requests: StrictRequest[] = []
  let rest = bytes.toString('latin1')
  while (rest !== '') {
    const end = rest.indexOf('\r\n\r\n')
    const [line = '', ...fields] = (end === -1 ? rest : rest.slice(0, end)).split('\r\n')
    const [, method, target] = /^([A-Z-]+) ([!-~]+) HTTP\/1\.1$/.exec(line) ?? []
    if (method === undefined || target === undefined || end === -1) return null
    const pairs = fields.map((field) => /^([!#$%&'*+.^_`|~0-9A-Za-z-]+): ([\t\x20-\x7e\x80-\xff]*)$/.exec(field))
    if (pairs.some((pair) => pair === null)) return null
    const all = (name: string): string[] => pairs.flatMap((pair) => (pair?.[1]?.toLowerCase() === name ? [pair[2] ?? ''] : []))
    for (const name of CONNECTION_FIELDS) if (all(name).length > 1) return null
    const [length, encoding] = [all('content-length')[0], all('transfer-encoding')[0]]
    if (all('host').length !== 1 || (length !== undefined && encoding !== undefined)) return null
    const read =
      encoding === undefined ? ofLength(rest.slice(end + 4), length ?? '0') : encoding === 'chunked' ? ofChunks(rest.slice(end + 4)) : null
    if (read === null) return null
    requests.push({ method, target, host: all('host')[0] ?? '', body: read.body })
    rest = read.rest
  }
  return requests
}

interface Read {
  readonly body: string
  readonly rest: string
}

function ofLength(text: string, length: string): Read | null {
  return /^(0|[1-9][0-9]*)$/.test(length) ? { body: text.slice(0, Number(length)), rest: text.slice(Number(length)) } : null
}

function ofChunks(text: string): Read | null {
  let [body, rest] = ['', text]
  while (rest !== '') {
    const size = /^([0-9a-f]+)\r\n/.exec(rest)
    if (size === null) return null
    const [start, count] = [size[0].length, Number.parseInt(size[1] ?? '', 16)]
    const chunk = rest.slice(start, start + count)
    const after = rest.slice(start + count)
    if (after !== '' && !after.startsWith('\r\n')) return null
    body += chunk
    rest = after.slice(2)
    if (count === 0) return { body, rest }
  }
  return { body, rest: '' }
}
