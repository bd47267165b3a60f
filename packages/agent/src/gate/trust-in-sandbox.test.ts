// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rootCertificates } from 'node:tls'
import type { PutEntry, Sandbox } from '@sallyport/sandbox'
import { certificatesOf } from './java-truststore.ts'
import { putTrust } from './trust-in-sandbox.ts'

const AUTHORITY = rootCertificates[0] ?? ''

async function put(): Promise<{ files: Map<string, string>; env: Readonly<Record<string, string>> }> {
  const files = new Map<string, string>()
  const putFiles = async (root: string, entries: Iterable<PutEntry>): Promise<{ files: number; bytes: number }> => {
    for (const entry of entries) {
      if (entry.type !== 'file') continue
      assert.equal(entry.size, (entry.content as Buffer).length)
      files.set(`${root}${entry.path}`, (entry.content as Buffer).toString('latin1'))
    }
    return { files: files.size, bytes: 0 }
  }
  const env = await putTrust({ putFiles } as unknown as Sandbox, AUTHORITY)
  return { files, env }
}

test('every variable names a file that was put in, and the authority is in each of them', async () => {
  const { files, env } = await put()
  const der = certificatesOf(AUTHORITY)[0]?.toString('latin1') ?? ''
  for (const [name, value] of Object.entries(env)) {
    const path = name === 'JAVA_TOOL_OPTIONS' ? /trustStore=(\S+)/.exec(value)?.[1] : value
    const content = files.get(path ?? '')
    assert.ok(content?.includes(AUTHORITY) || content?.includes(der), `${name}=${value}`)
  }
})

test('what replaces the roots of a tool still holds those of the system', async () => {
  const { files, env } = await put()
  const bundle = files.get(env['SSL_CERT_FILE'] ?? '') ?? ''
  const alone = files.get(env['NODE_EXTRA_CA_CERTS'] ?? '') ?? ''
  assert.equal(certificatesOf(alone).length, 1)
  const system = [...files].filter(([path, content]) => path.startsWith('/etc/') && content === bundle)
  assert.equal(system.length, 1, 'the bundle lies where the system has its own')
})
