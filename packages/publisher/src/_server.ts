// SPDX-License-Identifier: Apache-2.0
// A server of artifacts for tests: TLS, with an authority of its own.
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export type Handler = (request: IncomingMessage, response: ServerResponse) => void

export interface TestServer extends AsyncDisposable {
  readonly url: string
  /** PEM. */
  readonly authority: string
}

/** For `localhost`, on 127.0.0.1. */
export async function startServer(handle: Handler): Promise<TestServer> {
  const { key, certificate } = makeCertificate()
  const server = createServer({ key, cert: certificate }, handle)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `https://localhost:${(server.address() as AddressInfo).port}`,
    authority: certificate,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function makeCertificate(): { readonly key: string; readonly certificate: string } {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-publisher-'))
  const file = (name: string): string => join(directory, name)
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-days', '2']
  execFileSync('openssl', ['req', '-x509', ...curve, '-keyout', file('key'), '-out', file('certificate'), ...subject], { stdio: 'ignore' })
  const made = { key: readFileSync(file('key'), 'utf8'), certificate: readFileSync(file('certificate'), 'utf8') }
  rmSync(directory, { recursive: true })
  return made
}
