// SPDX-License-Identifier: Apache-2.0
// An image of a gibibyte in 33,000 entries: how long the check before a start takes, what a whole verification reads, and an import.
import { createHash } from 'node:crypto'
import { closeSync, mkdirSync, mkdtempSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { digestOf, json, MANIFEST, writeLayout } from '../packages/images/src/_image.ts'
import { type ImageStore, openImageStore, type StoredImage } from '../packages/images/src/index.ts'
import { TAR_END, tarHeader } from '../packages/images/src/layers/tar-writer.ts'
import { ARCHITECTURE } from '../packages/images/src/manifest/platform.ts'
import type { BenchRow } from './row.ts'

const directories = 3000
const filesEach = 10
const fileBytes = 70 * 512
const checks = 101

export async function run(): Promise<BenchRow[]> {
  const scratch = mkdtempSync(join(tmpdir(), 'sallyport-bench-'))
  try {
    const reference = writeImage(join(scratch, 'layout'))
    const store = openImageStore(join(scratch, 'store'))
    const startedMs = performance.now()
    const image = await store.pull(reference, { credentials: null, signal: AbortSignal.timeout(1_800_000) })
    const importMs = performance.now() - startedMs
    const what = `${(image.bytes / 2 ** 30).toFixed(2)} GiB, ${image.files} entries`
    const rows = await checkOften(store, image, what)
    const { durationMs } = await store.verify(image.digest, AbortSignal.timeout(1_800_000))
    return [
      ...rows,
      { name: 'image: verification', value: image.bytes / 2 ** 20 / (durationMs / 1000), unit: 'MiB/s', note: what },
      { name: 'image: import of a layout', value: importMs / 1000, unit: 's', note: `${what}, one layer` },
    ]
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

async function checkOften(store: ImageStore, image: StoredImage, what: string): Promise<BenchRow[]> {
  const wallMs: number[] = []
  const begin = process.cpuUsage()
  for (let round = 0; round < checks; round += 1) {
    const startedMs = performance.now()
    await store.check(image)
    wallMs.push(performance.now() - startedMs)
  }
  const { user, system } = process.cpuUsage(begin)
  wallMs.sort((a, b) => a - b)
  const at = (part: number): number => wallMs[Math.floor(part * (checks - 1))] ?? Number.NaN
  const load = `load ${loadavg()[0]?.toFixed(1)}`
  return [
    { name: 'image: check before a start, p50', value: at(0.5), unit: 'ms', ratio: 'must ≤ 10', note: `${what}; ${load}` },
    { name: 'image: check before a start, p90', value: at(0.9), unit: 'ms', note: load },
    { name: 'image: check before a start, processor time', value: (user + system) / 1000 / checks, unit: 'ms' },
  ]
}

/** A layout of one plain layer. @returns its reference */
function writeImage(place: string): string {
  mkdirSync(join(place, 'blobs', 'sha256'), { recursive: true })
  const layer = writeLayer(join(place, 'blobs', 'sha256', 'layer'))
  const config = json({ architecture: ARCHITECTURE, os: 'linux', config: {}, rootfs: { type: 'layers', diff_ids: [layer.digest] } })
  const manifest = json({
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: digestOf(config), size: config.length },
    layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar', ...layer }],
  })
  renameSync(join(place, 'blobs', 'sha256', 'layer'), join(place, 'blobs', 'sha256', layer.digest.slice('sha256:'.length)))
  const named = { mediaType: MANIFEST, digest: digestOf(manifest), size: manifest.length }
  const blobs = new Map([config, manifest].map((blob) => [digestOf(blob), blob]))
  return writeLayout(place, { blobs, manifest, named })
}

function writeLayer(path: string): { readonly digest: string; readonly size: number } {
  const hash = createHash('sha256')
  const fd = openSync(path, 'wx')
  let size = 0
  const write = (bytes: Buffer): void => {
    hash.update(bytes)
    size += writeSync(fd, bytes)
  }
  const common = { link: '', uid: 0, gid: 0, mtime: 0 }
  for (let directory = 0; directory < directories; directory += 1) {
    const name = `usr/${directory % 60}/${directory}`
    write(tarHeader({ ...common, name: `${name}/`, type: '5', mode: 0o755, size: 0 }))
    for (let number = 0; number < filesEach; number += 1) {
      write(tarHeader({ ...common, name: `${name}/file-${number}`, type: '0', mode: 0o644, size: fileBytes }))
      write(Buffer.alloc(fileBytes, `${directory}/${number} `))
    }
  }
  write(TAR_END)
  closeSync(fd)
  return { digest: `sha256:${hash.digest('hex')}`, size }
}
