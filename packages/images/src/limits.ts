// SPDX-License-Identifier: Apache-2.0

/** What one image may be. Whoever makes an image chooses all of it, so that each has a bound; docs/limits.md has the reasons. */
export interface ImageLimits {
  /** Tar entries of all layers together, and so entries of the tree. */
  readonly entriesMax: number
  /** All layers as they are transferred, by their descriptors: checked before the first is. */
  readonly layerBytesMax: number
  /** All layers unpacked, what other layers hide included: counted while they are unpacked, whatever they declare. */
  readonly unpackedBytesMax: number
  readonly layersMax: number
}

export const DEFAULT_LIMITS: ImageLimits = {
  entriesMax: 500_000,
  layerBytesMax: 16 * 2 ** 30,
  unpackedBytesMax: 32 * 2 ** 30,
  // Overlay file systems of other tools end here, too.
  layersMax: 127,
}

/** Of a manifest, an index or a config. What registries have to take (OCI distribution 1.1, "Pushing manifests"), and tools keep to. */
export const MANIFEST_BYTES_MAX: number = 4 * 2 ** 20
/** An index that names indexes: one level is in use, and none needs more. */
export const INDEX_DEPTH_MAX = 2
export const INDEX_ENTRIES_MAX = 200
/** Ids of a job (docs/adr/0003): an owner beyond them is nobody there. */
export const OWNER_MAX = 65_535
/** NAME_MAX and PATH_MAX of Linux. */
export const NAME_BYTES_MAX = 255
export const PATH_BYTES_MAX = 4095
