// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface ServerCertificate {
  /** Files. */
  readonly authority: string
  readonly certificate: string
  readonly key: string
}

/** An authority of its own, and its certificate for this machine. */
export function makeServerCertificate(directory: string, name = 'server'): ServerCertificate {
  const file = (suffix: string): string => join(directory, `${name}${suffix}`)
  const openssl = (...words: readonly string[]): void => void execFileSync('openssl', words, { stdio: ['ignore', 'ignore', 'pipe'] })
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  openssl('req', '-x509', ...newKey, '-keyout', file('-ca.key'), '-out', file('-ca.pem'), '-days', '2', '-subj', `/CN=${name} authority`)
  openssl('req', ...newKey, '-keyout', file('.key'), '-out', file('.csr'), '-subj', '/CN=localhost')
  writeFileSync(file('.ext'), 'subjectAltName=IP:127.0.0.1,DNS:localhost\n')
  const signed = ['-CA', file('-ca.pem'), '-CAkey', file('-ca.key'), '-CAcreateserial', '-days', '2', '-extfile', file('.ext')]
  openssl('x509', '-req', '-in', file('.csr'), ...signed, '-out', file('.pem'))
  return { authority: file('-ca.pem'), certificate: file('.pem'), key: file('.key') }
}
