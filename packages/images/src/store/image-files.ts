// SPDX-License-Identifier: Apache-2.0
// What lies where in a store:
//
//   images/sha256-HEX/          one image, by the digest of its manifest; comes and goes by one rename
//     rootfs/                   the tree
//     manifest.json config.json as they were transferred, so that their digests prove them
//     record.json               ours: what the tree was at the import
//     entries                   each entry of the tree (tree-entry.ts)
//     state.json                ours: names, places, what verification found; replaced as a whole
//     use                       an empty file; its lock (flock) is held by who uses the image, its time is when that began last
//   staging/NAME/, NAME.lock    what pulls work on; without a holder of the lock it is a leftover
//   locks/                      one at a time: an image's pull, and changes of its state
import { join } from 'node:path'

export const TREE = 'rootfs'
export const MANIFEST = 'manifest.json'
export const CONFIG = 'config.json'
export const RECORD = 'record.json'
export const ENTRIES = 'entries'
export const STATE = 'state.json'
export const USE = 'use'

export interface StoreDirectories {
  readonly root: string
  readonly images: string
  readonly staging: string
  readonly locks: string
}

export function storeDirectories(root: string): StoreDirectories {
  return { root, images: join(root, 'images'), staging: join(root, 'staging'), locks: join(root, 'locks') }
}

export function nameOf(digest: string): string {
  return digest.replace(':', '-')
}

/** Null for what is no image's. */
export function digestOfName(name: string): string | null {
  return /^sha256-[0-9a-f]{64}$/.test(name) ? name.replace('-', ':') : null
}
