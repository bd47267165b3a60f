// SPDX-License-Identifier: Apache-2.0
// Images for tests, honest and otherwise: archives byte by byte, and layouts around them.
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { gzipSync } from 'node:zlib'
import type { ImageStore, PullOptions, StoredImage } from './contract.ts'
import { ImagesError } from './images-error.ts'
import { ARCHITECTURE } from './manifest/platform.ts'

const BLOCK = 512

export interface Entry {
  readonly name: string
  readonly type?: string
  readonly content?: Buffer | string
  readonly link?: string
  readonly mode?: number
  readonly uid?: number
  readonly gid?: number
  /** In the header, in place of the true one. */
  readonly size?: number
}

export function tar(entries: readonly Entry[], end: Buffer = Buffer.alloc(2 * BLOCK)): Buffer {
  const parts = entries.flatMap((entry) => {
    const content = Buffer.from(entry.content ?? '')
    return [header(entry, content.length), content, Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK)]
  })
  return Buffer.concat([...parts, end])
}

function header(
  { name, type = '0', link = '', mode = type === '5' ? 0o755 : 0o644, uid = 0, gid = 0, size }: Entry,
  length: number,
): Buffer {
  const block = Buffer.alloc(BLOCK)
  const octal = (value: number, at: number, digits: number): void =>
    void block.write(`${value.toString(8).padStart(digits, '0')}\0`, at, 'latin1')
  block.write(name.slice(0, 100), 0, 'utf8')
  octal(mode, 100, 7)
  octal(uid, 108, 7)
  octal(gid, 116, 7)
  octal(size ?? length, 124, 11)
  octal(1_700_000_000, 136, 11)
  block.write(type, 156, 'latin1')
  block.write(link.slice(0, 100), 157, 'utf8')
  block.write('ustar\x0000', 257, 'latin1')
  block.write('        ', 148, 'latin1')
  block.write(
    `${block
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, '0')}\0 `,
    148,
    'latin1',
  )
  return block
}

/** An extended header for the entry that follows. */
export function pax(records: Readonly<Record<string, string>>): Entry {
  const lines = Object.entries(records).map(([key, value]) => {
    const rest = Buffer.byteLength(` ${key}=${value}\n`)
    let length = rest + 1
    while (String(length).length + rest !== length) length = String(length).length + rest
    return `${length} ${key}=${value}\n`
  })
  return { name: 'pax', type: 'x', content: lines.join('') }
}

export const directory = (name: string, mode = 0o755): Entry => ({ name: `${name}/`, type: '5', mode })
export const file = (name: string, content: string | Buffer = name): Entry => ({ name, content })
export const link = (name: string, target: string): Entry => ({ name, type: '2', link: target })
export const hardLink = (name: string, target: string): Entry => ({ name, type: '1', link: target })

export const digestOf = (bytes: Buffer): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`

type Json = Record<string, unknown>

export interface ImageShape {
  /** Archives, unpacked; gzip makes layers of them. */
  readonly layers: readonly Buffer[]
  /** Of the inner `config`. */
  readonly config?: Json
  /** What an attacker makes of the whole config. */
  readonly changeConfig?: (config: Json) => Json
  readonly changeManifest?: (manifest: Json) => unknown
  /** What the index of the layout names, in place of the manifest. Blobs are added by `add`. */
  readonly wrap?: (manifest: Json, add: (bytes: Buffer) => Json) => Json
  readonly pack?: (layer: Buffer) => Buffer
  readonly layerType?: string
}

export const MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
export const INDEX = 'application/vnd.oci.image.index.v1+json'
export const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))

export interface BuiltImage {
  readonly blobs: ReadonlyMap<string, Buffer>
  readonly manifest: Buffer
  /** The descriptor that a layout's index has. */
  readonly named: Json
}

export function buildImage(shape: ImageShape): BuiltImage {
  const { layers, config = {}, changeConfig = (same) => same, changeManifest = (same) => same, pack = (layer) => gzipSync(layer) } = shape
  const blobs = new Map<string, Buffer>()
  const add = (bytes: Buffer): Json => {
    blobs.set(digestOf(bytes), bytes)
    return { digest: digestOf(bytes), size: bytes.length }
  }
  const diffIds = layers.map(digestOf)
  const configBlob = json(changeConfig({ architecture: ARCHITECTURE, os: 'linux', config, rootfs: { type: 'layers', diff_ids: diffIds } }))
  const mediaType = shape.layerType ?? 'application/vnd.oci.image.layer.v1.tar+gzip'
  const manifest = json(
    changeManifest({
      schemaVersion: 2,
      mediaType: MANIFEST,
      config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...add(configBlob) },
      layers: layers.map((layer) => ({ mediaType, ...add(pack(layer)) })),
    }),
  )
  const descriptor = { mediaType: MANIFEST, ...add(manifest) }
  return { blobs, manifest, named: shape.wrap?.(descriptor, add) ?? descriptor }
}

/** Writes an OCI layout whose one image is named `test`. @returns its reference */
export function writeLayout(place: string, { blobs, named }: BuiltImage): string {
  mkdirSync(join(place, 'blobs', 'sha256'), { recursive: true })
  for (const [digest, bytes] of blobs) writeFileSync(join(place, 'blobs', 'sha256', digest.slice('sha256:'.length)), bytes)
  writeFileSync(join(place, 'oci-layout'), json({ imageLayoutVersion: '1.0.0' }))
  const annotations = { 'org.opencontainers.image.ref.name': 'test' }
  writeFileSync(join(place, 'index.json'), json({ schemaVersion: 2, manifests: [{ ...named, annotations }] }))
  return `oci:${place}:test`
}

export function temporaryDirectory(t: TestContext): string {
  const made = mkdtempSync(join(tmpdir(), 'sallyport-images-'))
  t.after(() => rmSync(made, { recursive: true, force: true }))
  return made
}

export const pullOptions = (): PullOptions => ({ credentials: null, signal: new AbortController().signal })

/** Pulls an image that a test has made. */
export function pullBuilt(t: TestContext, store: ImageStore, shape: ImageShape): Promise<StoredImage> {
  return store.pull(writeLayout(temporaryDirectory(t), buildImage(shape)), pullOptions())
}

/** The code of what a promise ends with, and of a refusal its reason; `none` where it ends well. */
export async function outcomeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
    return 'none'
  } catch (error) {
    if (!(error instanceof ImagesError)) throw error
    return error.code === 'IMAGE_REFUSED' ? String(error.details['reason']) : error.code
  }
}
