// SPDX-License-Identifier: Apache-2.0
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ImagesError } from '../images-error.ts'
import type { MergedLayer } from '../layers/merge-layers.ts'
import { digestOf } from '../manifest/parse-json.ts'
import { ARCHITECTURE } from '../manifest/platform.ts'
import { runJailed } from './jail.spawn.ts'
import { toolFailure } from './tool-failure.ts'

const TAG = 'merged'

/** Where the merged layer has to lie before it has a name. */
export function blobDirectory(workDirectory: string): string {
  return join(workDirectory, 'layout', 'blobs', 'sha256')
}

/** Unpacks an archive of our own writing to `/work/rootfs`, by a layout of our own writing around it. @throws ImagesError */
export async function unpackMerged(workDirectory: string, layer: MergedLayer, fileBytesMax: number, signal: AbortSignal): Promise<string> {
  await writeLayout(workDirectory, layer)
  const argv = ['raw', 'unpack', '--image', `/work/layout:${TAG}`, '/work/rootfs']
  const result = await runJailed({
    program: 'umoci',
    argv,
    workDirectory,
    identity: 'owner',
    hasNetwork: false,
    auth: null,
    fileBytesMax,
    signal,
  })
  if (result.exitCode === 0) return join(workDirectory, 'rootfs')
  const failure = toolFailure(result, 'Cannot unpack the image')
  throw failure.code === 'IMAGE_STORE_FULL' ? failure : new ImagesError('IMAGE_STORE_FAILED', failure.message)
}

async function writeLayout(workDirectory: string, { digest, bytes }: MergedLayer): Promise<void> {
  const config = json({ architecture: ARCHITECTURE, os: 'linux', config: {}, rootfs: { type: 'layers', diff_ids: [digest] }, history: [] })
  const manifest = json({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: digestOf(config), size: config.length },
    layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar', digest, size: bytes }],
  })
  const index = json({
    schemaVersion: 2,
    manifests: [
      {
        mediaType: 'application/vnd.oci.image.manifest.v1+json',
        digest: digestOf(manifest),
        size: manifest.length,
        annotations: { 'org.opencontainers.image.ref.name': TAG },
      },
    ],
  })
  const layout = join(workDirectory, 'layout')
  await mkdir(blobDirectory(workDirectory), { recursive: true })
  for (const blob of [config, manifest]) await writeFile(join(blobDirectory(workDirectory), digestOf(blob).slice('sha256:'.length)), blob)
  await writeFile(join(layout, 'oci-layout'), json({ imageLayoutVersion: '1.0.0' }))
  await writeFile(join(layout, 'index.json'), index)
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value))
}
