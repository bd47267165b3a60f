// SPDX-License-Identifier: Apache-2.0
import type { SandboxImage } from './contract.ts'
import { prepareHostImage } from './host-image.ts'
import { prepareTreeImage } from './tree-image.ts'

/** A host directory that is shown read-only at `target`, under a disposable upper layer. */
export interface ImageLayer {
  readonly target: string
  readonly source: string
  /** A directory that lies over `source`; null for none. */
  readonly over: string | null
}

/** What a sandbox's root file system is made of. */
export interface LayeredImage {
  readonly description: string
  /** In mount order. */
  readonly layers: readonly ImageLayer[]
  /** Whether `/usr/bin/sudo` is there to be mounted over, or can be made. */
  readonly hasSudo: boolean
}

export interface LayerOptions {
  /** Sallyport's own, on a disk. */
  readonly directory: string
  /** The address that names are asked at; null where nobody answers. */
  readonly resolver: string | null
}

/** @throws SandboxError SANDBOX_FAILED, SANDBOX_INPUT */
export async function prepareImageLayers(image: SandboxImage, { directory, resolver }: LayerOptions): Promise<LayeredImage> {
  if (image.kind === 'tree') return prepareTreeImage(image, { directory, resolver })
  const { description, layers } = await prepareHostImage(directory, { resolver })
  return { description, layers: layers.map((layer) => ({ ...layer, over: null })), hasSudo: true }
}
