// SPDX-License-Identifier: Apache-2.0
// A server of TLS 1.3 may ask for another ClientHello (HelloRetryRequest, RFC 8446 section 4.1.4), and takes the name from that one: nginx serves whatever it asks
// for. Both sides' bytes are untrusted; a server that lies in its own answer could as well serve what it likes.
import { CLIENT_HELLO_BYTES_MAX, type ClientHelloReading, readClientHello } from './client-hello.ts'

const RECORD_HEADER = 5
const RECORD = { changeCipherSpec: 20, alert: 21, handshake: 22, applicationData: 23 } as const
const ALERT_WARNING = 1
const SERVER_HELLO = 2

/** A ServerHello's header, its version and its random. No honest server cuts that in two. */
const SERVER_HELLO_START = 4 + 2 + 32
/** RFC 8446 section 4.1.3: the SHA-256 of "HelloRetryRequest" in the random's place. */
const RETRY = Buffer.from('cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c', 'hex')

/** Whether what a server says first asks for another ClientHello; null while that is not known. What is no ServerHello counts as such a question. */
export function asksForSecondHello(bytes: Buffer): boolean | null {
  const at = endOfWarning(bytes)
  if (at === null) return null
  const start = at + RECORD_HEADER
  if (bytes[at] !== RECORD.handshake) return true
  if (bytes.length < start) return null
  if (bytes.readUInt16BE(at + 3) < SERVER_HELLO_START) return true
  if (bytes.length < start + SERVER_HELLO_START) return null
  const random = bytes.subarray(start + SERVER_HELLO_START - RETRY.length, start + SERVER_HELLO_START)
  return bytes[start] !== SERVER_HELLO || random.equals(RETRY)
}

/** In TLS 1.2 a warning ("unrecognized name") may come before the ServerHello. Null while it, or what follows it, is not there. */
function endOfWarning(bytes: Buffer): number | null {
  if (bytes.length === 0) return null
  if (bytes[0] !== RECORD.alert) return 0
  const end = RECORD_HEADER + 2
  if (bytes.length <= RECORD_HEADER) return null
  if (bytes.readUInt16BE(3) !== 2 || bytes[RECORD_HEADER] !== ALERT_WARNING) return 0
  return bytes.length <= end ? null : end
}

/** Untrusted: what a client says after its first ClientHello, when it was asked for another. */
export function readSecondHello(bytes: Buffer): ClientHelloReading {
  let at = 0
  // A dummy (appendix D.4), and early data, which the server throws away then (section 4.2.10).
  while (bytes[at] === RECORD.changeCipherSpec || bytes[at] === RECORD.applicationData) {
    if (at > CLIENT_HELLO_BYTES_MAX) return { kind: 'refused', code: 'malformed', reason: 'more than 16 KiB before a second ClientHello' }
    if (bytes.length < at + RECORD_HEADER) return { kind: 'incomplete' }
    at += RECORD_HEADER + bytes.readUInt16BE(at + 3)
  }
  return at > bytes.length ? { kind: 'incomplete' } : readClientHello(bytes.subarray(at))
}
