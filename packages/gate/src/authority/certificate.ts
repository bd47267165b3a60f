// SPDX-License-Identifier: Apache-2.0
// X.509 certificates (RFC 5280) of the two kinds that a job needs. Written by hand: the library that we tried first takes 50 ms and 20 packages to load,
// wants a global polyfill, and has no name constraints; the whole gate has 15 ms to be ready. What is written here the tests hold against OpenSSL's
// reading of it, curl, Python and Node; Go, Java and GnuTLS took it too.
import { createHash, type KeyObject, randomBytes, sign } from 'node:crypto'
import {
  bitString,
  constructed,
  integer,
  objectIdentifier,
  octetString,
  primitive,
  sequence,
  setOf,
  time,
  trueValue,
  utf8String,
} from './der.ts'

export interface Validity {
  readonly from: Date
  readonly to: Date
}

export interface Issuer {
  readonly name: string
  /** ECDSA with P-256. */
  readonly key: KeyObject
  readonly publicKey: KeyObject
}

const OID = {
  commonName: '2.5.4.3',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  nameConstraints: '2.5.29.30',
  authorityKeyIdentifier: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
} as const

/** Bit strings of KeyUsage (section 4.2.1.3). */
const DIGITAL_SIGNATURE = bitString(Buffer.from([0x80]), 7)
const KEY_CERT_SIGN = bitString(Buffer.from([0x04]), 2)

/** GeneralName (section 4.2.1.6). */
const DNS_NAME = 2
const IP_ADDRESS = 7

/** X.520's upper bound of a common name. */
const COMMON_NAME_MAX = 64

/**
 * A self-signed authority that can sign end entities for `names` and what is below them, and for nothing else. OpenSSL, Go, GnuTLS and Node hold a root to its constraints;
 * Java does not look at those of a trust anchor.
 */
export function authorityCertificate(issuer: Issuer, names: readonly string[], validity: Validity): string {
  return signed(issuer, {
    subject: commonName(issuer.name),
    publicKey: issuer.publicKey,
    validity,
    extensions: [
      critical(OID.basicConstraints, sequence(trueValue(), integer(Buffer.from([0])))),
      critical(OID.keyUsage, KEY_CERT_SIGN),
      critical(OID.nameConstraints, nameConstraints(names)),
      extension(OID.subjectKeyIdentifier, octetString(keyIdentifier(issuer.publicKey))),
    ],
  })
}

/** For a TLS server of this one name. */
export function serverCertificate(issuer: Issuer, name: string, publicKey: KeyObject, validity: Validity): string {
  // Names longer than a common name may be stand only in the alternative name, which then must be critical (section 4.2.1.6).
  const fits = name.length <= COMMON_NAME_MAX
  const alternativeName = sequence(primitive(DNS_NAME, Buffer.from(name, 'latin1')))
  return signed(issuer, {
    subject: fits ? commonName(name) : sequence(),
    publicKey,
    validity,
    extensions: [
      critical(OID.basicConstraints, sequence()),
      critical(OID.keyUsage, DIGITAL_SIGNATURE),
      extension(OID.extendedKeyUsage, sequence(objectIdentifier(OID.serverAuth))),
      (fits ? extension : critical)(OID.subjectAltName, alternativeName),
      extension(OID.authorityKeyIdentifier, sequence(primitive(0, keyIdentifier(issuer.publicKey)))),
      extension(OID.subjectKeyIdentifier, octetString(keyIdentifier(publicKey))),
    ],
  })
}

/**
 * Section 4.2.1.10. A name stands for itself and all that is below it; a leading dot for "only below" is no part of the standard for DNS names,
 * and Java and GnuTLS take it for a name that matches nothing. No address at all: the networks 0.0.0.0/0 and ::/0 are excluded.
 */
function nameConstraints(names: readonly string[]): Buffer {
  const permitted = names.map((name) => sequence(primitive(DNS_NAME, Buffer.from(name, 'latin1'))))
  const excluded = [8, 32].map((length) => sequence(primitive(IP_ADDRESS, Buffer.alloc(length))))
  return sequence(constructed(0, ...permitted), constructed(1, ...excluded))
}

interface Contents {
  readonly subject: Buffer
  readonly publicKey: KeyObject
  readonly validity: Validity
  readonly extensions: readonly Buffer[]
}

function signed(issuer: Issuer, contents: Contents): string {
  const algorithm = sequence(objectIdentifier(OID.ecdsaWithSha256))
  const toBeSigned = sequence(
    constructed(0, integer(Buffer.from([2]))), // version 3
    integer(serialNumber()),
    algorithm,
    commonName(issuer.name),
    sequence(time(contents.validity.from), time(contents.validity.to)),
    contents.subject,
    contents.publicKey.export({ type: 'spki', format: 'der' }),
    constructed(3, sequence(...contents.extensions)),
  )
  return pem(sequence(toBeSigned, algorithm, bitString(sign('sha256', toBeSigned, issuer.key))))
}

/** Positive and 16 bytes long, so that two authorities of the same machine never issue the same one. */
function serialNumber(): Buffer {
  const bytes = randomBytes(16)
  bytes[0] = ((bytes[0] as number) & 0x3f) | 0x40
  return bytes
}

const commonName = (name: string): Buffer => sequence(setOf(sequence(objectIdentifier(OID.commonName), utf8String(name))))
const extension = (oid: string, value: Buffer): Buffer => sequence(objectIdentifier(oid), octetString(value))
const critical = (oid: string, value: Buffer): Buffer => sequence(objectIdentifier(oid), trueValue(), octetString(value))

/** Any unique value will do (section 4.2.1.2). */
function keyIdentifier(publicKey: KeyObject): Buffer {
  return createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest()
    .subarray(0, 20)
}

function pem(der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? []
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n')
}
