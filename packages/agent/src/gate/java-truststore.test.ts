// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { rootCertificates } from 'node:tls'
import { certificatesOf, javaTruststore, TRUSTSTORE_PASSWORD } from './java-truststore.ts'

const ROOTS = rootCertificates.slice(0, 5)

test('a bundle is read certificate by certificate, whatever stands between them', () => {
  const bundle = ROOTS.join('\n# a comment\n\n')
  const hashes = certificatesOf(bundle).map((der) => createHash('sha256').update(der).digest('hex'))
  assert.equal(new Set(hashes).size, ROOTS.length)
  assert.deepEqual(certificatesOf(''), [])
  assert.equal(certificatesOf(bundle)[0]?.toString('base64'), ROOTS[0]?.replaceAll(/-----[A-Z ]+-----|\s/g, ''))
})

test('the same certificates make the same truststore, and its digest covers every byte of them', () => {
  const certificates = certificatesOf(ROOTS.join('\n'))
  const store = javaTruststore(certificates)
  assert.deepEqual(javaTruststore(certificates), store)
  assert.equal(store.readUInt32BE(0), 0xfeedfeed)
  assert.equal(store.readUInt32BE(8), ROOTS.length)
  const changed = [...certificates]
  changed[4] = Buffer.from(changed[4] ?? '')
  changed[4][40] = (changed[4][40] ?? 0) ^ 1
  assert.notDeepEqual(javaTruststore(changed).subarray(-20), store.subarray(-20))
})

const KEYTOOL = ['/usr/bin/keytool', '/usr/local/bin/keytool'].find((path) => existsSync(path))

test("Java's own keytool lists every certificate", { skip: KEYTOOL === undefined ? 'no keytool on this machine' : false }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'truststore-'))
  try {
    const file = join(directory, 'store.jks')
    writeFileSync(file, javaTruststore(certificatesOf(ROOTS.join('\n'))))
    const args = ['-list', '-keystore', file, '-storetype', 'JKS', '-storepass', TRUSTSTORE_PASSWORD]
    const listing = execFileSync(KEYTOOL ?? '', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], timeout: 240_000 })
    assert.equal(listing.match(/trustedCertEntry/g)?.length, ROOTS.length)
    const torn = readFileSync(file)
    torn[torn.length - 40] = (torn[torn.length - 40] ?? 0) ^ 1
    writeFileSync(file, torn)
    assert.throws(() => execFileSync(KEYTOOL ?? '', args, { stdio: 'ignore', timeout: 240_000 }), { status: 1 })
  } finally {
    rmSync(directory, { recursive: true })
  }
})
