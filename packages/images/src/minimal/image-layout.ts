// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, rename, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** An image of one layer, as an OCI image layout (image-spec 1.0, "Image Layout Specification") has it. */
export interface LayeredContent {
  /** A tar file below the layout's file system, which becomes the layer; not compressed, so that no compressor's version is in the digest. */
  readonly layer: string
  readonly architecture: string
  readonly env: readonly string[]
  readonly cmd: readonly string[]
  /** Seconds since 1970. */
  readonly epoch: number
  /** How it was made, for people. */
  readonly createdBy: string
  readonly tag: string
}

interface Descriptor {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
}

const TYPES = {
  layer: 'application/vnd.oci.image.layer.v1.tar',
  config: 'application/vnd.oci.image.config.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  index: 'application/vnd.oci.image.index.v1+json',
} as const

/** Writes a whole layout into `directory`, which is empty. The same content gives the same bytes. Resolves with the manifest's digest. */
export async function writeImageLayout(directory: string, content: LayeredContent): Promise<string> {
  const blobs = join(directory, 'blobs/sha256')
  await mkdir(blobs, { recursive: true })
  const layer = await addFile(blobs, content.layer)
  const created = new Date(content.epoch * 1000).toISOString().replace('.000Z', 'Z')
  const config = await addJson(blobs, TYPES.config, {
    created,
    architecture: content.architecture,
    os: 'linux',
    config: { Env: content.env, Cmd: content.cmd },
    rootfs: { type: 'layers', diff_ids: [layer.digest] },
    history: [{ created, created_by: content.createdBy }],
  })
  const manifest = await addJson(blobs, TYPES.manifest, { schemaVersion: 2, mediaType: TYPES.manifest, config, layers: [layer] })
  const entry = { ...manifest, annotations: { 'org.opencontainers.image.ref.name': content.tag } }
  await writeFile(join(directory, 'index.json'), JSON.stringify({ schemaVersion: 2, mediaType: TYPES.index, manifests: [entry] }))
  await writeFile(join(directory, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }))
  return manifest.digest
}

async function addFile(blobs: string, path: string): Promise<Descriptor> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer)
  const digest = hash.digest('hex')
  const { size } = await stat(path)
  await rename(path, join(blobs, digest))
  return { mediaType: TYPES.layer, digest: `sha256:${digest}`, size }
}

async function addJson(blobs: string, mediaType: string, value: unknown): Promise<Descriptor> {
  const bytes = Buffer.from(JSON.stringify(value))
  const digest = createHash('sha256').update(bytes).digest('hex')
  await writeFile(join(blobs, digest), bytes)
  return { mediaType, digest: `sha256:${digest}`, size: bytes.length }
}
