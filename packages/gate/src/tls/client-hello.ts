// SPDX-License-Identifier: Apache-2.0
// The first message of a TLS connection (RFC 8446 section 4.1.2, RFC 5246 section 7.4.1.2), read across records and segments. Every byte is
// chosen by the job, so nothing is skipped: what does not parse to the last byte is no ClientHello.

/** What the gate decides on. */
export interface ClientHello {
  /** The one host_name (RFC 6066 section 3), in lower case; null: none. Letters, digits, `-`, `_` and `.`, but not checked to be a name. */
  readonly serverName: string | null
  /** ALPN (RFC 7301) in the client's order; empty: none. */
  readonly applicationProtocols: readonly string[]
  /** Encrypted ClientHello (RFC 9849) or one of its drafts: the real server name is hidden. A client that only pretends (GREASE) looks the same. */
  readonly hasEncryptedClientHello: boolean
  /** Version numbers on the wire, e.g. 0x0304 for TLS 1.3: supported_versions, or else the one of the message itself. */
  readonly supportedVersions: readonly number[]
}

export type ClientHelloReading =
  | { readonly kind: 'incomplete' }
  /** `bytes`: how many it took; it ends with a record. */
  | { readonly kind: 'hello'; readonly hello: ClientHello; readonly bytes: number }
  /** `protocol`: other bytes than the beginning of a TLS connection. `malformed`: a ClientHello that is invalid or could be read in two ways. */
  | { readonly kind: 'refused'; readonly code: 'protocol' | 'malformed' /** Static words. */; readonly reason: string }

/**
 * More than any client sends, with post-quantum key shares and tickets: a message of 16 KiB, which is what servers with BoringSSL take, in its records. Each of a job's
 * connections may have so much kept.
 */
export const CLIENT_HELLO_BYTES_MAX: number = 17 * 1024

/** Clients send one, those that try to hide the name from a filter a few. */
const RECORDS_MAX = 32
const RECORD_HEADER = 5
const RECORD_BYTES_MAX = 2 ** 14
const RECORD_HANDSHAKE = 22
const HANDSHAKE_HEADER = 4
const HANDSHAKE_CLIENT_HELLO = 1

const EXTENSION = { serverName: 0, applicationProtocols: 16, supportedVersions: 43 } as const
/** encrypted_client_hello, ech_outer_extensions, their drafts, and encrypted_server_name. */
const ENCRYPTED = new Set([0xfe0d, 0xfd00, 0xfe08, 0xfe09, 0xfe0a, 0xfe0b, 0xfe0c, 0xffce])

/**
 * Untrusted: the bytes from the beginning of a connection. It does not matter how they are cut: an answer other than `incomplete` stays
 * the same whatever follows.
 */
export function readClientHello(bytes: Buffer): ClientHelloReading {
  try {
    const joined = joinRecords(bytes)
    return joined === null ? { kind: 'incomplete' } : { kind: 'hello', hello: readBody(joined.body), bytes: joined.end }
  } catch (error) {
    if (error instanceof HelloError) return { kind: 'refused', code: error.code, reason: error.message }
    throw error
  }
}

/** Never leaves this module. */
class HelloError extends Error {
  readonly code: 'protocol' | 'malformed'

  constructor(code: 'protocol' | 'malformed', reason: string) {
    super(reason)
    this.code = code
  }
}

function malformed(reason: string): HelloError {
  return new HelloError('malformed', reason)
}

/** The body of the handshake message; null while bytes are missing. Copies only once all of it is there. */
function joinRecords(bytes: Buffer): { readonly body: Buffer; readonly end: number } | null {
  const fragments: Buffer[] = []
  let at = 0
  let joined = 0
  let wanted: number | null = null
  while (fragments.length < RECORDS_MAX) {
    const length = readRecordHeader(bytes.subarray(at, at + RECORD_HEADER))
    if (length === null) return null
    const fragment = bytes.subarray(at + RECORD_HEADER, at + RECORD_HEADER + length)
    fragments.push(fragment)
    wanted ??= readHandshakeLength(fragments)
    if (wanted !== null && joined + length > wanted) throw malformed('more follows the ClientHello in its TLS record')
    joined += fragment.length
    if (fragment.length < length) return null
    at += RECORD_HEADER + length
    if (joined === wanted) return { body: Buffer.concat(fragments, joined).subarray(HANDSHAKE_HEADER), end: at }
  }
  throw malformed('a ClientHello in too many TLS records')
}

/** Length of the record; null while its header is not whole. Garbage is told at its first byte. */
function readRecordHeader(header: Buffer): number | null {
  const [type, major, minor] = header
  if (type !== undefined && type !== RECORD_HANDSHAKE) {
    throw new HelloError('protocol', type >= 0x80 ? 'no TLS handshake (SSL 2.0 is not let through)' : 'no TLS handshake')
  }
  if (major !== undefined && major !== 3) throw new HelloError('protocol', 'no TLS handshake')
  if (minor !== undefined && minor > 4) throw new HelloError('protocol', 'no TLS handshake')
  if (header.length < RECORD_HEADER) return null
  const length = header.readUInt16BE(3)
  if (length === 0 || length > RECORD_BYTES_MAX) throw malformed('a TLS record of an invalid length')
  return length
}

/** Length of the message with its header, which may lie in several records; null while that is not whole. */
function readHandshakeLength(fragments: readonly Buffer[]): number | null {
  const header = Buffer.concat(fragments.map((fragment) => fragment.subarray(0, HANDSHAKE_HEADER))).subarray(0, HANDSHAKE_HEADER)
  if (header.length > 0 && header[0] !== HANDSHAKE_CLIENT_HELLO)
    throw new HelloError('protocol', 'the TLS handshake begins with no ClientHello')
  if (header.length < HANDSHAKE_HEADER) return null
  const length = HANDSHAKE_HEADER + header.readUIntBE(1, 3)
  if (length > CLIENT_HELLO_BYTES_MAX - RECORDS_MAX * RECORD_HEADER) throw malformed('a ClientHello of more than 16 KiB')
  return length
}

/** Reads length-prefixed fields; whatever is missing or left over is malformed. */
class Fields {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length
  }

  take(length: number): Buffer {
    const start = this.#skip(length)
    return this.#bytes.subarray(start, start + length)
  }

  number(size: 1 | 2): number {
    const start = this.#skip(size)
    return size === 1 ? this.#bytes.readUInt8(start) : this.#bytes.readUInt16BE(start)
  }

  /** A vector whose length is written in `size` bytes. */
  vector(size: 1 | 2, least = 0): Buffer {
    const vector = this.take(this.number(size))
    if (vector.length < least) throw malformed('a field of the ClientHello is too short')
    return vector
  }

  end(): void {
    if (!this.isAtEnd) throw malformed('a field of the ClientHello has bytes left over')
  }

  /** Where the bytes begin that were skipped. */
  #skip(length: number): number {
    const start = this.#at
    if (this.#bytes.length - start < length) throw malformed('a field of the ClientHello is cut off')
    this.#at += length
    return start
  }
}

function readBody(body: Buffer): ClientHello {
  const fields = new Fields(body)
  const version = fields.number(2)
  if (version >> 8 !== 3) throw new HelloError('protocol', 'a ClientHello of no version of TLS')
  fields.take(32)
  if (fields.vector(1).length > 32) throw malformed('a session of the ClientHello is too long')
  if (fields.vector(2, 2).length % 2 !== 0) throw malformed('the cipher suites of the ClientHello are cut off')
  fields.vector(1, 1)
  const extensions = fields.isAtEnd ? new Map<number, Buffer>() : readExtensions(fields.vector(2))
  fields.end()
  return {
    serverName: readServerName(extensions.get(EXTENSION.serverName)),
    applicationProtocols: readApplicationProtocols(extensions.get(EXTENSION.applicationProtocols)),
    hasEncryptedClientHello: extensions.keys().some((type) => ENCRYPTED.has(type)),
    supportedVersions: readVersions(extensions.get(EXTENSION.supportedVersions), version),
  }
}

function readExtensions(bytes: Buffer): Map<number, Buffer> {
  const extensions = new Map<number, Buffer>()
  const fields = new Fields(bytes)
  while (!fields.isAtEnd) {
    const type = fields.number(2)
    // RFC 8446 section 4.2 forbids it; two servers could take different ones.
    if (extensions.has(type)) throw malformed('an extension of the ClientHello stands twice')
    extensions.set(type, fields.vector(2))
  }
  return extensions
}

function readServerName(extension: Buffer | undefined): string | null {
  if (extension === undefined) return null
  const outer = new Fields(extension)
  const list = new Fields(outer.vector(2, 1))
  outer.end()
  const type = list.number(1)
  const name = list.vector(2, 1).toString('latin1')
  // A second entry could only be another name for another reader.
  list.end()
  if (type !== 0) throw malformed('a server name that is no host name')
  if (name.length > 255 || !/^[A-Za-z0-9._-]+$/.test(name)) throw malformed('a server name with invalid characters')
  return name.toLowerCase()
}

function readApplicationProtocols(extension: Buffer | undefined): string[] {
  if (extension === undefined) return []
  const outer = new Fields(extension)
  const list = new Fields(outer.vector(2, 2))
  outer.end()
  const protocols: string[] = []
  while (!list.isAtEnd) protocols.push(list.vector(1, 1).toString('latin1'))
  return protocols
}

function readVersions(extension: Buffer | undefined, version: number): number[] {
  if (extension === undefined) return [version]
  const outer = new Fields(extension)
  const list = new Fields(outer.vector(1, 2))
  outer.end()
  const versions: number[] = []
  while (!list.isAtEnd) versions.push(list.number(2))
  return versions
}
