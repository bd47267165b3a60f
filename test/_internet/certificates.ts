// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Certificates {
  /** What the operator's file names, so that gates believe the origins. */
  readonly authority: string
  readonly certificate: string
  readonly key: string
  /** By nobody whom anybody trusts. */
  readonly selfSigned: string
}

const HOSTS = ['web', 'api', 'registry', 'files', 'pypi', 'git', 'deb', 'cdn', 'mixed', 'rebind', 'other', 'evil', 'shop', 'forge']
const NAMES = [...HOSTS.map((host) => `${host}.test`), '*.example.test', '*.web.test', '*.evil.test', '*.cdn.test']

/** An authority and one certificate for every name of this internet, by openssl. */
export function makeCertificates(directory: string): Certificates {
  const file = (name: string): string => join(directory, name)
  const openssl = (...words: readonly string[]): void =>
    void execFileSync('openssl', words, { cwd: directory, stdio: ['ignore', 'ignore', 'pipe'] })
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  openssl('req', '-x509', ...newKey, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2', '-subj', '/CN=Test Authority')
  openssl('req', ...newKey, '-keyout', 'origin.key', '-out', 'origin.csr', '-subj', '/CN=origin.test')
  // One by one: no client takes a wildcard directly below a top-level name.
  writeFileSync(file('origin.ext'), `subjectAltName=${NAMES.map((name) => `DNS:${name}`).join(',')}\n`)
  const signed = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', 'origin.ext']
  openssl('x509', '-req', '-in', 'origin.csr', ...signed, '-out', 'origin.pem')
  openssl('x509', '-req', '-in', 'origin.csr', '-key', 'origin.key', '-days', '2', '-extfile', 'origin.ext', '-out', 'self.pem')
  return { authority: file('ca.pem'), certificate: file('origin.pem'), key: file('origin.key'), selfSigned: file('self.pem') }
}
