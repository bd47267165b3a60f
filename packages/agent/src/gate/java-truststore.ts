// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto'

/** What every JDK's own truststore has. It keeps nothing secret: a JKS file is digested with it, so that a torn file is found. */
export const TRUSTSTORE_PASSWORD = 'changeit'

const MAGIC = 0xfeedfeed
const VERSION = 2
const TRUSTED_CERTIFICATE = 2
/** Sun's own whitener of the digest, part of the format. */
const WHITENER = 'Mighty Aphrodite'

/** Certificates (DER) of a PEM bundle, in order; anything between them is ignored. */
export function certificatesOf(pem: string): Buffer[] {
  return [...pem.matchAll(/-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----/g)].map(([, body = '']) =>
    Buffer.from(body, 'base64'),
  )
}

/**
 * A Java KeyStore (JKS, version 2) of trusted certificates, as `keytool -importcert` writes it: big-endian entries, then the SHA-1 of
 * password, whitener and entries. Every Java reads it; only Java does.
 */
export function javaTruststore(certificates: readonly Buffer[]): Buffer {
  const entries = certificates.flatMap((certificate, index) => [
    uint32(TRUSTED_CERTIFICATE),
    text(`ca-${index + 1}`),
    // When it was added: of no interest, and the same file for the same certificates.
    Buffer.alloc(8),
    text('X.509'),
    uint32(certificate.length),
    certificate,
  ])
  const store = Buffer.concat([uint32(MAGIC), uint32(VERSION), uint32(certificates.length), ...entries])
  const password = Buffer.from(TRUSTSTORE_PASSWORD, 'utf16le').swap16()
  return Buffer.concat([store, createHash('sha1').update(password).update(WHITENER).update(store).digest()])
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

/** As `DataOutput.writeUTF`; ours are ASCII. */
function text(value: string): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(value.length)
  return Buffer.concat([bytes, Buffer.from(value, 'latin1')])
}
