// SPDX-License-Identifier: Apache-2.0
import type { JobImageFacts } from '@sallyport/engine'
import type { SandboxImage } from '@sallyport/sandbox'

/** An image that a job runs in, held until it is disposed. */
export interface JobImage extends AsyncDisposable {
  readonly spec: SandboxImage
  readonly facts: JobImageFacts
  /** Null for the host's own programs. */
  readonly resolved: { readonly reference: string; readonly digest: string } | null
  /** The same image, checked once more and held for another sandbox. @throws ImagesError IMAGE_TAMPERED, IMAGE_NOT_FOUND */
  hold(): Promise<JobImage>
}

/** The host's own programs: bash is among them, since Sallyport needs it itself. */
export const HOST_IMAGE: JobImage = {
  spec: { kind: 'host' },
  facts: { env: {}, shell: 'bash', nodeProblem: null },
  resolved: null,
  hold: () => Promise.resolve(HOST_IMAGE),
  [Symbol.asyncDispose]: () => Promise.resolve(),
}
