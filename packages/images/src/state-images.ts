// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path'
import type { ImageStore, ImageStoreOptions } from './contract.ts'
import { openImageStore } from './image-store.ts'

/** The one store of a state directory. */
export function openStateImages(stateDirectory: string, options: ImageStoreOptions = {}): ImageStore {
  return openImageStore(join(stateDirectory, 'images'), options)
}
