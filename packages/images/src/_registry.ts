// SPDX-License-Identifier: Apache-2.0
// A registry (OCI distribution 1.1, pulling) as far as tests need one: repositories, who may read them, and what goes wrong.
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type BuiltImage, digestOf, INDEX, MANIFEST } from './_image.ts'

export interface Repository {
  readonly image: BuiltImage
  /** `USER:PASSWORD` of those who may read it; null: anybody. */
  readonly readers: readonly string[] | null
  /** Layers are not there: only the manifest is. */
  readonly hasLayers?: boolean
  /** What is sent in place of a blob. */
  readonly forge?: (digest: string) => Buffer | undefined
  /** Before a blob is sent. */
  readonly delay?: () => Promise<void>
}

export interface TestRegistry extends AsyncDisposable {
  /** `HOST:PORT`, without TLS. */
  readonly host: string
  readonly repositories: Map<string, Repository>
  /** `METHOD PATH`, and who asked. */
  readonly asked: string[]
}

export async function startRegistry(): Promise<TestRegistry> {
  const repositories = new Map<string, Repository>()
  const asked: string[] = []
  const server = createServer((request, response) => void answer(request, response, { repositories, asked }))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    repositories,
    asked,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { repositories, asked }: Pick<TestRegistry, 'repositories' | 'asked'>,
): Promise<void> {
  const { authorization = '' } = request.headers
  const who = authorization.startsWith('Basic ') ? Buffer.from(authorization.slice(6), 'base64').toString() : null
  asked.push(`${request.method} ${request.url} ${who ?? '-'}`)
  const [, name = '', kind, reference = ''] = /^\/v2\/(.+)\/(manifests|blobs)\/(.+)$/.exec(request.url ?? '') ?? []
  const repository = repositories.get(name)
  // As a registry does that has users: it says how, before it says anything else.
  const mustLogIn = who === null && [...repositories.values()].some(({ readers }) => readers !== null)
  if (mustLogIn || (repository !== undefined && repository.readers !== null && !repository.readers.includes(who ?? '')))
    return void response.writeHead(401, { 'www-authenticate': 'Basic realm="test"' }).end('{"errors":[{"code":"UNAUTHORIZED"}]}')
  if (request.url === '/v2/') return void response.end('{}')
  if (repository === undefined || kind === undefined) return void response.writeHead(404).end('{"errors":[{"code":"NAME_UNKNOWN"}]}')
  const { blobs, manifest, named } = repository.image
  if (kind === 'manifests') {
    const bytes = reference.startsWith('sha256:') ? blobs.get(reference) : (blobs.get(String(named['digest'])) ?? manifest)
    if (bytes === undefined) return void response.writeHead(404).end('{"errors":[{"code":"MANIFEST_UNKNOWN"}]}')
    const isIndex = bytes.includes('"manifests"')
    response.writeHead(200, { 'content-type': isIndex ? INDEX : MANIFEST, 'docker-content-digest': digestOf(bytes) })
    return void response.end(request.method === 'HEAD' ? undefined : bytes)
  }
  await repository.delay?.()
  const bytes = repository.hasLayers === false ? undefined : (repository.forge?.(reference) ?? blobs.get(reference))
  if (bytes === undefined) return void response.writeHead(404).end('{"errors":[{"code":"BLOB_UNKNOWN"}]}')
  response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': bytes.length })
  response.end(request.method === 'HEAD' ? undefined : bytes)
}
