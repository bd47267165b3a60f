// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { generateKeyPairSync, type KeyObject, X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { connect, createServer, type TLSSocket } from 'node:tls'
import { authorityCertificate, type Issuer, serverCertificate, type Validity } from './certificate.ts'

const directory = mkdtempSync(join(tmpdir(), 'sallyport-certificate-'))
after(() => rmSync(directory, { recursive: true }))

const validity: Validity = { from: new Date(Date.now() - 60_000), to: new Date(Date.now() + 3_600_000) }
const issuer = newIssuer('Test authority')
const authority = authorityCertificate(issuer, ['api.example.test', 'below.test'], validity)
const authorityFile = file('authority.pem', authority)
const leaf = generateKeyPairSync('ec', { namedCurve: 'P-256' })

function newIssuer(name: string): Issuer {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return { name, key: privateKey, publicKey }
}

function file(name: string, content: string): string {
  const path = join(directory, name)
  writeFileSync(path, content)
  return path
}

const issue = (name: string, key: KeyObject = leaf.publicKey): string => serverCertificate(issuer, name, key, validity)

function run(program: string, ...args: readonly string[]): Promise<{ readonly code: number; readonly output: string }> {
  return new Promise((resolve) => {
    execFile(program, args, { timeout: 240_000 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), output: stdout + stderr })
    })
  })
}

/** A TLS server of `name`, whatever the authority may sign, that answers one line. */
async function served<Result>(certificate: string, work: (port: number) => Promise<Result>): Promise<Result> {
  const key = leaf.privateKey.export({ type: 'pkcs8', format: 'pem' })
  const server = createServer({ cert: certificate, key }, (socket: TLSSocket) => {
    socket.on('error', () => socket.destroy())
    socket.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n')
  })
  // The clients that refuse are the test.
  server.on('tlsClientError', (_error, socket) => socket.destroy())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    return await work((server.address() as AddressInfo).port)
  } finally {
    server.close()
  }
}

const clients: Readonly<Record<string, (name: string, port: number) => Promise<boolean>>> = {
  async curl(name, port) {
    const resolve = `${name}:${port}:127.0.0.1`
    return (
      (await run('curl', '-sS', '-o', '/dev/null', '--cacert', authorityFile, '--resolve', resolve, `https://${name}:${port}/`)).code === 0
    )
  },
  async python(name, port) {
    const script = [
      'import socket, ssl, sys',
      'context = ssl.create_default_context(cafile=sys.argv[1])',
      'context.wrap_socket(socket.create_connection(("127.0.0.1", int(sys.argv[3]))), server_hostname=sys.argv[2])',
    ]
    return (await run('python3', '-c', script.join('\n'), authorityFile, name, String(port))).code === 0
  },
  node(name, port) {
    return new Promise((resolve) => {
      const socket = connect({ host: '127.0.0.1', port, servername: name, ca: authority }, () => {
        resolve(true)
        socket.destroy()
      })
      socket.on('error', () => resolve(false))
    })
  },
  async openssl(name, port) {
    const { output } = await run(
      'openssl',
      ...['s_client', '-connect', `127.0.0.1:${port}`, '-servername', name, '-CAfile', authorityFile],
      ...['-verify_return_error', '-verify_hostname', name],
    )
    return output.includes('Verify return code: 0 (ok)')
  },
}

for (const [client, accepts] of Object.entries(clients)) {
  test(`${client} takes a certificate for a name of the authority`, async () => {
    assert.equal(await served(issue('api.example.test'), (port) => accepts('api.example.test', port)), true)
    assert.equal(await served(issue('deep.in.below.test'), (port) => accepts('deep.in.below.test', port)), true)
  })
  test(`${client} refuses a certificate that the authority signed for another name`, async () => {
    assert.equal(await served(issue('evil.test'), (port) => accepts('evil.test', port)), false)
    assert.equal(await served(issue('notbelow.test'), (port) => accepts('notbelow.test', port)), false)
  })
  test(`${client} refuses the certificate of one name for another`, async () => {
    assert.equal(await served(issue('below.test'), (port) => accepts('api.example.test', port)), false)
  })
}

test('OpenSSL reads every extension as it was meant, and nothing else', async () => {
  const { output } = await run('openssl', 'x509', '-in', authorityFile, '-noout', '-text')
  for (const expected of [
    /Version: 3/,
    /Signature Algorithm: ecdsa-with-SHA256/,
    /X509v3 Basic Constraints: critical\s+CA:TRUE, pathlen:0/,
    /X509v3 Key Usage: critical\s+Certificate Sign\n/,
    /X509v3 Name Constraints: critical\s+Permitted:\s+DNS:api\.example\.test\s+DNS:below\.test\s+Excluded:\s+IP:0\.0\.0\.0\/0\.0\.0\.0\s+IP:0:0:0:0:0:0:0:0\/0:0:0:0:0:0:0:0/,
  ])
    assert.match(output, expected)
  const server = await run('openssl', 'x509', '-in', file('leaf.pem', issue('api.example.test')), '-noout', '-text')
  assert.match(server.output, /Basic Constraints: critical\s+CA:FALSE/)
  assert.match(server.output, /Key Usage: critical\s+Digital Signature\n/)
  assert.match(server.output, /Extended Key Usage:\s+TLS Web Server Authentication\n/)
  assert.match(server.output, /Subject Alternative Name:\s+DNS:api\.example\.test\n/)
})

test('an authority that it signed is no authority', async () => {
  // What a thief of one server key, or a confused gate, could try: pathLen 0, and no right to sign in the certificate.
  const middle = newIssuer('api.example.test')
  const middleFile = file('middle.pem', issue('api.example.test', middle.publicKey))
  const below = file('below.pem', serverCertificate(middle, 'api.example.test', leaf.publicKey, validity))
  const { code, output } = await run('openssl', 'verify', '-CAfile', authorityFile, '-untrusted', middleFile, below)
  assert.notEqual(code, 0)
  assert.match(output, /invalid CA certificate|path length/)
})

test('a certificate is no longer valid than its authority, and its serial number is not used twice', () => {
  const [first, second] = [new X509Certificate(issue('api.example.test')), new X509Certificate(issue('api.example.test'))]
  assert.notEqual(first.serialNumber, second.serialNumber)
  assert.equal(first.validTo, new X509Certificate(authority).validTo)
  assert.equal(first.checkIssued(new X509Certificate(authority)), true)
})

test('a name too long for a common name stands in the alternative name alone', async () => {
  const long = `${'a'.repeat(60)}.below.test`
  const path = file('long.pem', issue(long))
  const { output } = await run('openssl', 'verify', '-CAfile', authorityFile, '-verify_hostname', long, path)
  assert.match(output, /: OK/)
  assert.match((await run('openssl', 'x509', '-in', path, '-noout', '-text')).output, /Alternative Name: critical/)
})
