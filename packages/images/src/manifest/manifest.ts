// SPDX-License-Identifier: Apache-2.0
import { printable } from '@sallyport/core'
import { ImagesError } from '../images-error.ts'
import type { Compression } from '../layers/decompress.ts'
import { type ImageLimits, INDEX_ENTRIES_MAX, MANIFEST_BYTES_MAX } from '../limits.ts'
import { type Descriptor, parseDescriptor } from './descriptor.ts'
import { listOf, parseJsonObject } from './parse-json.ts'

export interface LayerDescriptor extends Descriptor {
  readonly compression: Compression
}

export interface Manifest {
  readonly kind: 'manifest'
  readonly config: Descriptor
  readonly layers: readonly LayerDescriptor[]
}

export interface Index {
  readonly kind: 'index'
  readonly manifests: readonly Descriptor[]
}

const MANIFEST_TYPES: readonly string[] = [
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
]
const INDEX_TYPES: readonly string[] = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
]
const CONFIG_TYPES: readonly string[] = ['application/vnd.oci.image.config.v1+json', 'application/vnd.docker.container.image.v1+json']
const LAYER_TYPES: Readonly<Record<string, Compression>> = {
  'application/vnd.oci.image.layer.v1.tar': 'none',
  'application/vnd.oci.image.layer.v1.tar+gzip': 'gzip',
  'application/vnd.oci.image.layer.v1.tar+zstd': 'zstd',
  'application/vnd.docker.image.rootfs.diff.tar': 'none',
  'application/vnd.docker.image.rootfs.diff.tar.gzip': 'gzip-or-none',
}

/** A manifest or an index, by what it says itself. @throws ImagesError IMAGE_REFUSED */
export function parseManifest(bytes: Uint8Array, limits: ImageLimits): Manifest | Index {
  if (bytes.length > MANIFEST_BYTES_MAX) throw ImagesError.refused('manifest-bytes', `a manifest has more than ${MANIFEST_BYTES_MAX} bytes`)
  const json = parseJsonObject(bytes, 'the manifest')
  if (json['schemaVersion'] !== 2) throw ImagesError.refused('media-type', 'its manifest is none of version 2')
  // The same bytes must not be an index to one reader and a manifest to another (CVE-2021-41190).
  if (json['manifests'] !== undefined && (json['config'] !== undefined || json['layers'] !== undefined))
    throw ImagesError.refused('media-type', 'its manifest is an index, too')
  const mediaType = json['mediaType']
  if (json['manifests'] !== undefined) {
    assertType(mediaType, INDEX_TYPES)
    const list = listOf(json['manifests'], 'the index', { max: INDEX_ENTRIES_MAX, reason: 'nested-index' })
    return { kind: 'index', manifests: list.map((entry) => parseDescriptor(entry, 'an image of the index')) }
  }
  assertType(mediaType, MANIFEST_TYPES)
  const config = parseDescriptor(json['config'], 'the config')
  if (!CONFIG_TYPES.includes(config.mediaType))
    throw ImagesError.refused('media-type', `its config is of the type ${printable(config.mediaType)}: it is something else than an image`)
  if (config.size > MANIFEST_BYTES_MAX) throw ImagesError.refused('manifest-bytes', `its config has more than ${MANIFEST_BYTES_MAX} bytes`)
  const layers = listOf(json['layers'], 'the list of layers', { max: limits.layersMax, reason: 'layers' }).map(parseLayer)
  assertTotal(layers, limits)
  return { kind: 'manifest', config, layers }
}

function assertType(mediaType: unknown, allowed: readonly string[]): void {
  if (mediaType === undefined || allowed.includes(mediaType as string)) return
  throw ImagesError.refused('media-type', `its manifest is of the type ${printable(String(mediaType)).slice(0, 200)}`)
}

function parseLayer(value: unknown, index: number): LayerDescriptor {
  const what = `layer ${index + 1}`
  const descriptor = parseDescriptor(value, what)
  const { mediaType, annotations } = descriptor
  if (/foreign|nondistributable/.test(mediaType))
    throw ImagesError.refused('foreign-layer', `${what} is one that its registry does not have (${mediaType})`)
  if (/encrypted/.test(mediaType)) throw ImagesError.refused('encrypted-layer', `${what} is encrypted (${mediaType})`)
  if (Object.keys(annotations).some((name) => /stargz/.test(name)))
    throw ImagesError.refused('estargz', `${what} has an index of its own, by which other readers may see other files`)
  const compression = Object.hasOwn(LAYER_TYPES, mediaType) ? LAYER_TYPES[mediaType] : undefined
  if (compression === undefined)
    throw ImagesError.refused('media-type', `${what} is of the type ${mediaType}, which is no archive that is read here`)
  return { ...descriptor, compression }
}

function assertTotal(layers: readonly LayerDescriptor[], { layerBytesMax }: ImageLimits): void {
  const total = layers.reduce((sum, { size }) => sum + size, 0)
  if (total > layerBytesMax) throw ImagesError.refused('layer-bytes', `its layers have ${total} bytes, and ${layerBytesMax} are the most`)
}
