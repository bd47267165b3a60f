// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { plainImageTree } from '@sallyport/testkit'

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' }

export interface TestImage {
  /** An OCI layout. */
  readonly directory: string
  /** Of the manifest. */
  readonly digest: string
}

export interface ImageSettings {
  /** Changes the tree before it is packed. */
  readonly plant?: (root: string) => void
  readonly env?: readonly string[]
  readonly architecture?: string
}

/** A small image (see `plainImageTree`) as an OCI layout with the tag `latest`. */
export function testImage(
  parent: string,
  { plant, env = [], architecture = ARCHITECTURES[process.arch] ?? process.arch }: ImageSettings = {},
): TestImage {
  const directory = mkdtempSync(join(parent, 'image-'))
  const root = plainImageTree(join(directory, 'tree'))
  plant?.(root)
  const layout = join(directory, 'layout')
  mkdirSync(join(layout, 'blobs/sha256'), { recursive: true })
  const layer = execFileSync('tar', ['-C', root, '--numeric-owner', '--sort=name', '--format=posix', '-cf', '-', '.'], {
    maxBuffer: 1 << 28,
  })
  const add = (mediaType: string, bytes: Buffer): { mediaType: string; digest: string; size: number } => {
    const digest = createHash('sha256').update(bytes).digest('hex')
    writeFileSync(join(layout, 'blobs/sha256', digest), bytes)
    return { mediaType, digest: `sha256:${digest}`, size: bytes.length }
  }
  const addJson = (mediaType: string, value: unknown): ReturnType<typeof add> => add(mediaType, Buffer.from(JSON.stringify(value)))
  const layers = [add('application/vnd.oci.image.layer.v1.tar', layer)]
  const config = addJson('application/vnd.oci.image.config.v1+json', {
    architecture,
    os: 'linux',
    config: { Env: env },
    rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => digest) },
  })
  const manifest = addJson(MANIFEST, { schemaVersion: 2, mediaType: MANIFEST, config, layers })
  const entry = { ...manifest, annotations: { 'org.opencontainers.image.ref.name': 'latest' } }
  writeFileSync(join(layout, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [entry] }))
  writeFileSync(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
  return { directory: layout, digest: manifest.digest }
}

export interface ImageRegistry extends AsyncDisposable {
  /** `HOST:PORT`, without TLS. */
  readonly host: string
  readonly asked: readonly string[]
}

/** A registry (OCI distribution 1.1, pulling) that has one image as `team/tools:latest`, for whoever knows `login`. */
export async function serveImage({ directory, digest }: TestImage, login: string | null): Promise<ImageRegistry> {
  const asked: string[] = []
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    asked.push(request.url ?? '')
    const { authorization = '' } = request.headers
    if (login !== null && authorization !== `Basic ${Buffer.from(login).toString('base64')}`)
      return void response.writeHead(401, { 'www-authenticate': 'Basic realm="test"' }).end()
    if (request.url === '/v2/') return void response.end('{}')
    const [, kind, reference = ''] = /^\/v2\/team\/tools\/(manifests|blobs)\/(latest|sha256:[0-9a-f]{64})$/.exec(request.url ?? '') ?? []
    if (kind === undefined) return void response.writeHead(404).end('{}')
    const wanted = reference === 'latest' ? digest : reference
    const bytes = readFileSync(join(directory, 'blobs/sha256', wanted.slice('sha256:'.length)))
    response.writeHead(200, {
      'content-type': kind === 'manifests' ? MANIFEST : 'application/octet-stream',
      'docker-content-digest': wanted,
      'content-length': bytes.length,
    })
    response.end(request.method === 'HEAD' ? undefined : bytes)
  }
  const server = createServer(answer)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
