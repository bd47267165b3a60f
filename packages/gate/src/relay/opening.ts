// SPDX-License-Identifier: Apache-2.0
// What a connection is, by its first bytes. Every byte is chosen by the job.
import { CLIENT_HELLO_BYTES_MAX, type ClientHello, readClientHello } from '../tls/client-hello.ts'

export type Opening =
  | { readonly kind: 'incomplete' }
  /** `bytes`: how many of them the ClientHello took. */
  | { readonly kind: 'tls'; readonly hello: ClientHello; readonly bytes: number }
  /** HTTP/1: the beginning of a request line. The rest is for its parser to judge. */
  | { readonly kind: 'http' }
  /** The identification line (RFC 4253 section 4.2) is whole. */
  | { readonly kind: 'ssh'; readonly bytes: number }
  | { readonly kind: 'refused'; readonly code: 'protocol' | 'malformed' /** Static words. */; readonly reason: string }

/** Bytes that the longest opening takes: no more is kept before the decision. */
export const OPENING_BYTES_MAX: number = CLIENT_HELLO_BYTES_MAX

const SSH = Buffer.from('SSH-2.0-')
const SSH_LINE_MAX = 255
const HTTP2 = Buffer.from('PRI * HTTP/2.0')
const METHOD_MAX = 32

const TLS_HANDSHAKE = 22
const SPACE = 32
const LINE_FEED = 10

/** The same bytes give the same answer, however they are cut: one other than `incomplete` stays the same whatever follows. */
export function readOpening(bytes: Buffer): Opening {
  const first = bytes[0]
  if (first === undefined) return { kind: 'incomplete' }
  if (first === TLS_HANDSHAKE || first >= 0x80) {
    const reading = readClientHello(bytes)
    return reading.kind === 'hello' ? { kind: 'tls', hello: reading.hello, bytes: reading.bytes } : reading
  }
  if (agree(bytes, SSH)) return readSshLine(bytes)
  if (agree(bytes, HTTP2)) {
    return bytes.length < HTTP2.length ? { kind: 'incomplete' } : refused('HTTP/2 without TLS is not let through')
  }
  return readMethod(bytes)
}

/** One is the beginning of the other. */
function agree(bytes: Buffer, words: Buffer): boolean {
  const length = Math.min(bytes.length, words.length)
  return bytes.compare(words, 0, length, 0, length) === 0
}

function readSshLine(bytes: Buffer): Opening {
  const end = bytes.subarray(0, SSH_LINE_MAX).indexOf(LINE_FEED)
  if (end === -1) return bytes.length < SSH_LINE_MAX ? { kind: 'incomplete' } : refused('no identification line of SSH')
  return bytes.subarray(0, end).every((byte) => (byte >= SPACE && byte < 127) || byte === 13)
    ? { kind: 'ssh', bytes: end + 1 }
    : refused('no identification line of SSH')
}

function readMethod(bytes: Buffer): Opening {
  const end = bytes.subarray(0, METHOD_MAX + 1).indexOf(SPACE)
  const method = bytes.subarray(0, end === -1 ? METHOD_MAX + 1 : end)
  if (!method.every(isMethodByte)) return refused('neither TLS, HTTP nor SSH')
  if (end === -1) return bytes.length <= METHOD_MAX ? { kind: 'incomplete' } : refused('neither TLS, HTTP nor SSH')
  return end === 0 ? refused('neither TLS, HTTP nor SSH') : { kind: 'http' }
}

/** Letters and `-`: what methods are made of (RFC 9110 section 16.1.2 has a few with a hyphen). */
function isMethodByte(byte: number): boolean {
  return (byte >= 65 && byte <= 90) || (byte >= 97 && byte <= 122) || byte === 45
}

function refused(reason: string): Opening {
  return { kind: 'refused', code: 'protocol', reason }
}

/** What it most likely is, for the record: where any bytes are allowed, by the first that came. */
export function protocolOf(first: Buffer): 'tls' | 'http' | 'ssh' | 'tcp' {
  const { kind } = readOpening(first)
  if (kind === 'incomplete') return first[0] === TLS_HANDSHAKE ? 'tls' : 'tcp'
  return kind === 'refused' ? 'tcp' : kind
}

/**
 * Whether what a server says first is an identification line of SSH, which other lines may precede (RFC 4253 section 4.2); null while it may yet come.
 * Untrusted: the destination chose it.
 */
export function saysSsh(bytes: Buffer): boolean | null {
  let at = 0
  for (let end = bytes.indexOf(LINE_FEED); end !== -1; end = bytes.indexOf(LINE_FEED, at)) {
    const line = bytes.subarray(at, end).toString('latin1')
    if (line.startsWith('SSH-')) return line.startsWith('SSH-2.0-') || line.startsWith('SSH-1.99-')
    at = end + 1
  }
  return bytes.length < SERVER_LINES_MAX ? null : false
}

/** Lines that a server may say before its identification. */
const SERVER_LINES_MAX = 8192
