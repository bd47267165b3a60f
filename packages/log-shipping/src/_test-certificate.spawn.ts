// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Of 127.0.0.1, for a day, by itself. PEM. */
export function testCertificate(): { readonly cert: string; readonly key: string } {
  const scratch = mkdtempSync(join(tmpdir(), 'sallyport-certificate-'))
  try {
    const [key, cert] = [join(scratch, 'key'), join(scratch, 'cert')]
    const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-noenc', '-keyout', key, '-out', cert]
    const names = ['-days', '1', '-subj', '/CN=receiver', '-addext', 'subjectAltName=IP:127.0.0.1']
    execFileSync('openssl', [...request, ...names], { stdio: 'ignore' })
    return { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') }
  } finally {
    rmSync(scratch, { recursive: true })
  }
}
