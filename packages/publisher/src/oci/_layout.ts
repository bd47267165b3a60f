// SPDX-License-Identifier: Apache-2.0
// Image layouts as tar archives, honest and otherwise.
import { createHash } from 'node:crypto'

export interface Entry {
  readonly name: string
  readonly content?: Buffer
  /** Of ustar; a regular file unless it says otherwise. */
  readonly type?: string
  /** In the header, in place of the true one. */
  readonly size?: number
  readonly link?: string
}

const BLOCK = 512

export function tar(entries: readonly Entry[], end: Buffer = Buffer.alloc(2 * BLOCK)): Buffer {
  const parts = entries.flatMap((entry) => {
    const content = entry.content ?? Buffer.alloc(0)
    return [header(entry, content.length), content, Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK)]
  })
  return Buffer.concat([...parts, end])
}

function header({ name, type = '0', size, link = '' }: Entry, length: number): Buffer {
  const block = Buffer.alloc(BLOCK)
  block.write(name, 0, 'latin1')
  block.write('0000644\0', 100)
  block.write(`${(size ?? length).toString(8).padStart(11, '0')}\0`, 124)
  block.write(type, 156)
  block.write(link, 157)
  block.write('ustar\x0000', 257, 'latin1')
  block.write('        ', 148)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return block
}

export const digestOf = (bytes: Buffer): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`
export const blob = (content: Buffer): Entry => ({ name: `blobs/sha256/${digestOf(content).slice(7)}`, content })
export const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
const INDEX = 'application/vnd.oci.image.index.v1+json'

export const descriptor = (content: Buffer, mediaType: string): { mediaType: string; digest: string; size: number } => ({
  mediaType,
  digest: digestOf(content),
  size: content.length,
})

export interface Layout {
  readonly entries: readonly Entry[]
  readonly layers: readonly Buffer[]
  readonly manifest: Buffer
  readonly root: Buffer
}

/** An index of one manifest with two layers. `change`: what an attacker makes of the manifest. */
export function layout(change: (manifest: Record<string, unknown>) => unknown = (manifest) => manifest): Layout {
  const layers = [Buffer.alloc(300_000, 'layer one '), Buffer.from('layer two')]
  const config = json({ architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: layers.map(digestOf) } })
  const manifest = json(
    change({
      schemaVersion: 2,
      mediaType: MANIFEST,
      config: descriptor(config, 'application/vnd.oci.image.config.v1+json'),
      layers: layers.map((layer) => descriptor(layer, 'application/vnd.oci.image.layer.v1.tar')),
    }),
  )
  const root = json({ schemaVersion: 2, mediaType: INDEX, manifests: [descriptor(manifest, MANIFEST)] })
  const entries = [
    { name: 'oci-layout', content: json({ imageLayoutVersion: '1.0.0' }) },
    { name: 'index.json', content: json({ schemaVersion: 2, manifests: [descriptor(root, INDEX)] }) },
    { name: 'blobs/', type: '5' },
    ...[...layers, config, manifest, root].map(blob),
  ]
  return { entries, layers, manifest, root }
}
