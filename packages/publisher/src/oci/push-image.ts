// SPDX-License-Identifier: Apache-2.0
import type { HttpReply } from '@sallyport/http'
import { HttpError } from '@sallyport/http'
import type { ArtifactFile } from '../artifact-file.ts'
import type { ImagePublication, PublishFailure, PublishOutcome } from '../contract.ts'
import { type Blob, type Image, type Manifest, readImage } from './image-layout.ts'
import { LayoutError } from './layout-error.ts'
import { RefusedByRegistry } from './refused-by-registry.ts'
import { Registry } from './registry.ts'

/** Pushes an image (OCI distribution 1.1): its blobs, its manifests, and its name last. Before all of it has been looked at, nothing is sent. */
export async function pushImage(publication: ImagePublication, artifact: ArtifactFile): Promise<PublishOutcome> {
  const { registry: url, repository, tag, credential, hosts, authorities, timeoutMs } = publication
  const progress = { isNaming: false }
  try {
    const image = await readImage(artifact)
    const registry = new Registry({ url, repository, credential, hosts, authorities, untilMs: Date.now() + timeoutMs })
    for (const blob of image.blobs) await pushBlob(registry, repository, blob, artifact)
    return await pushManifests(registry, { repository, tag, image }, progress)
  } catch (error) {
    if (error instanceof LayoutError) return { published: false, failure: 'artifact', message: error.message, mayBeThere: false }
    if (error instanceof RefusedByRegistry)
      return {
        published: false,
        failure: error.failure,
        message: error.message,
        mayBeThere: progress.isNaming && error.failure === 'failed',
      }
    if (!(error instanceof HttpError)) throw error
    return {
      published: false,
      failure: FAILURES[String(error.details['failure'])] ?? 'failed',
      message: error.message,
      mayBeThere: progress.isNaming,
    }
  }
}

const FAILURES: Readonly<Record<string, PublishFailure>> = { certificate: 'certificate', timeout: 'timeout', connection: 'unreachable' }

async function pushBlob(registry: Registry, repository: string, blob: Blob, artifact: ArtifactFile): Promise<void> {
  const known = await registry.ask({ method: 'HEAD', to: `/v2/${repository}/blobs/${blob.digest}` })
  if (known.status === 200) return
  const begun = await registry.ask({ method: 'POST', to: `/v2/${repository}/blobs/uploads/` })
  assertStatus(begun, 202, 'to begin an upload')
  const url = registry.locate(String(begun.headers['location'] ?? ''))
  url.searchParams.set('digest', blob.digest)
  const done = await registry.ask({
    method: 'PUT',
    to: url.href,
    headers: { 'content-type': 'application/octet-stream' },
    body: () => ({ length: blob.size, content: artifact.stream(blob.position, blob.size) }),
  })
  assertStatus(done, 201, `to take ${blob.digest}`)
}

async function pushManifests(
  registry: Registry,
  { repository, tag, image }: { readonly repository: string; readonly tag: string; readonly image: Image },
  progress: { isNaming: boolean },
): Promise<PublishOutcome> {
  const last = image.manifests.at(-1)
  if (last === undefined) throw new LayoutError('it has no image')
  for (const manifest of image.manifests.slice(0, -1))
    assertStatus(await pushManifest(registry, repository, manifest, manifest.digest), 201, `to take ${manifest.digest}`)
  progress.isNaming = true
  const named = await pushManifest(registry, repository, last, tag)
  assertStatus(named, 201, `to name it ${tag}`)
  const said = named.headers['docker-content-digest']
  if (said !== undefined && said !== last.digest) throw new RefusedByRegistry('failed', 'the registry has another image by that name')
  return { published: true, status: named.status, digest: last.digest }
}

function pushManifest(registry: Registry, repository: string, { mediaType, bytes }: Manifest, reference: string): Promise<HttpReply> {
  return registry.ask({
    method: 'PUT',
    to: `/v2/${repository}/manifests/${reference}`,
    headers: { 'content-type': mediaType },
    body: () => bytes,
  })
}

function assertStatus({ status }: HttpReply, wanted: number, what: string): void {
  if (status === wanted) return
  if (status >= 300 && status < 400)
    throw new RefusedByRegistry('redirected', `the registry sends elsewhere (${status}), where nothing is sent`)
  if (status >= 400 && status < 500) throw new RefusedByRegistry('refused', `the registry refuses ${what} (${status})`)
  throw new RefusedByRegistry('failed', `the registry fails ${what} (${status})`)
}
