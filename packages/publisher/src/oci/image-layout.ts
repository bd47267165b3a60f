// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto'
import { messageOf } from '@sallyport/core'
import type { ArtifactFile } from '../artifact-file.ts'
import { LayoutError } from './layout-error.ts'
import { indexTar, type TarFile } from './tar-index.ts'

export interface Blob extends TarFile {
  /** `sha256:` and 64 hexadecimal digits; the bytes have it. */
  readonly digest: string
}

export interface Manifest {
  readonly digest: string
  readonly mediaType: string
  readonly bytes: Buffer
}

/** An image whose every part is there, with the size and digest that its manifests say. */
export interface Image {
  /** Config and layers, each once. */
  readonly blobs: readonly Blob[]
  /** What a manifest names stands before it; the last is the image itself. */
  readonly manifests: readonly Manifest[]
}

const MANIFEST_TYPES: readonly string[] = [
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
]
const INDEX_TYPES: readonly string[] = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
]
/** What registries have to take (OCI distribution 1.1, "Pushing manifests"). */
const MANIFEST_BYTES_MAX = 4 * 2 ** 20
const MANIFESTS_MAX = 100
const LAYERS_MAX = 1000
/** An index of the image, and that of the layout is none of it. */
const DEPTH_MAX = 2

interface Descriptor {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
}

/** Reads an OCI image layout (image-spec 1.1, "image-layout") in a tar archive; every byte that would be sent is looked at first. @throws LayoutError */
export async function readImage(artifact: ArtifactFile): Promise<Image> {
  const reader = new LayoutReader(artifact, await indexTar(artifact))
  return reader.read()
}

class LayoutReader {
  readonly #artifact: ArtifactFile
  readonly #files: ReadonlyMap<string, TarFile>
  readonly #blobs = new Map<string, Blob>()
  readonly #manifests = new Map<string, Manifest>()

  constructor(artifact: ArtifactFile, files: ReadonlyMap<string, TarFile>) {
    this.#artifact = artifact
    this.#files = files
  }

  async read(): Promise<Image> {
    const { imageLayoutVersion } = await this.#json('oci-layout')
    if (imageLayoutVersion !== '1.0.0') throw new LayoutError('it is no OCI image layout of version 1.0.0')
    const images = listOf((await this.#json('index.json'))['manifests'], 'index.json')
    if (images.length !== 1) throw new LayoutError(`index.json names ${images.length} images, and one is pushed`)
    await this.#addManifest(parseDescriptor(images[0]), 0)
    return { blobs: [...this.#blobs.values()], manifests: [...this.#manifests.values()] }
  }

  async #addManifest(descriptor: Descriptor, depth: number): Promise<void> {
    const { digest, mediaType } = descriptor
    if (this.#manifests.has(digest)) return
    if (depth > DEPTH_MAX || this.#manifests.size >= MANIFESTS_MAX) throw new LayoutError('it has too many manifests')
    const isIndex = INDEX_TYPES.includes(mediaType)
    if (!isIndex && !MANIFEST_TYPES.includes(mediaType)) throw new LayoutError(`${digest} has a type that is none of an image`)
    const file = await this.#verified(descriptor)
    const bytes = await this.#artifact.read(file.position, small(file, digest).size)
    const manifest = parseJson(bytes, digest)
    if (manifest['schemaVersion'] !== 2 || (manifest['mediaType'] ?? mediaType) !== mediaType)
      throw new LayoutError(`${digest} is not what its descriptor says`)
    if (isIndex) for (const child of listOf(manifest['manifests'], digest)) await this.#addManifest(parseDescriptor(child), depth + 1)
    else await this.#addBlobs(manifest, digest)
    this.#manifests.set(digest, { digest, mediaType, bytes })
  }

  async #addBlobs(manifest: Readonly<Record<string, unknown>>, digest: string): Promise<void> {
    const parts = [manifest['config'], ...listOf(manifest['layers'], digest)].map(parseDescriptor)
    for (const part of parts) if (!this.#blobs.has(part.digest)) this.#blobs.set(part.digest, await this.#verified(part))
  }

  async #verified({ digest, size }: Descriptor): Promise<Blob> {
    const file = this.#files.get(`blobs/sha256/${digest.slice('sha256:'.length)}`)
    if (file === undefined) throw new LayoutError(`${digest} is not in the archive`)
    if (file.size !== size) throw new LayoutError(`${digest} has ${file.size} bytes, and ${size} are promised`)
    const hash = createHash('sha256')
    for await (const part of this.#artifact.stream(file.position, file.size)) hash.update(part)
    if (`sha256:${hash.digest('hex')}` !== digest) throw new LayoutError(`${digest} is the name of other bytes`)
    return { ...file, digest }
  }

  async #json(name: string): Promise<Readonly<Record<string, unknown>>> {
    const file = this.#files.get(name)
    if (file === undefined) throw new LayoutError(`the archive has no ${name}: it is no OCI image layout`)
    return parseJson(await this.#artifact.read(file.position, small(file, name).size), name)
  }
}

function small(file: TarFile, name: string): TarFile {
  if (file.size <= MANIFEST_BYTES_MAX) return file
  throw new LayoutError(`${name} has more than ${MANIFEST_BYTES_MAX} bytes`)
}

function parseJson(bytes: Buffer, name: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(bytes.toString())
    if (isObject(value)) return value
  } catch (error) {
    throw new LayoutError(`${name} is no JSON: ${messageOf(error).slice(0, 100)}`)
  }
  throw new LayoutError(`${name} is no JSON object`)
}

function listOf(value: unknown, name: string): readonly unknown[] {
  if (Array.isArray(value) && value.length <= LAYERS_MAX) return value
  throw new LayoutError(`${name} has no list where one should be, or one of more than ${LAYERS_MAX}`)
}

/** `urls` would make whoever pulls fetch the layer from elsewhere. */
function parseDescriptor(value: unknown): Descriptor {
  if (!isObject(value)) throw new LayoutError('a descriptor is missing')
  const { mediaType, digest, size, urls } = value
  if (typeof digest !== 'string' || !/^sha256:[0-9a-f]{64}$/.test(digest)) throw new LayoutError('a digest is none of SHA-256')
  if (typeof mediaType !== 'string' || !/^[a-z0-9.+/-]{1,200}$/.test(mediaType)) throw new LayoutError(`${digest} has no type`)
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) throw new LayoutError(`${digest} has no size`)
  if (urls !== undefined) throw new LayoutError(`${digest} is to be fetched from elsewhere`)
  return { mediaType, digest, size }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
