// SPDX-License-Identifier: Apache-2.0
import type { ContainerRequest } from '@sallyport/engine'

/** Who named an image. A workflow and an access file are written by whoever writes the code; the others are this machine's. */
export type ImageAuthor = 'container' | 'option' | 'request' | 'label'

export type WantedImage =
  | { readonly kind: 'host' }
  | {
      readonly kind: 'reference'
      readonly reference: string
      readonly by: ImageAuthor
      readonly credentials: ContainerRequest['credentials']
    }

export interface ImageChoice {
  /** `container:` of the job. */
  readonly container: ContainerRequest | null
  readonly runsOn: readonly string[]
  /** `--image LABEL=REFERENCE`, by lower-case label. */
  readonly options: Readonly<Record<string, string>>
  /** `image:` of the access file; null for none. */
  readonly request: string | null
  /** The operator's, by lower-case label. */
  readonly labels: Readonly<Record<string, string>>
}

/** The most particular word counts: the job's, the command line's, the repository's, the operator's; else the host's own programs. */
export function wantedImage({ container, runsOn, options, request, labels }: ImageChoice): WantedImage {
  if (container !== null) return { kind: 'reference', reference: container.image, by: 'container', credentials: container.credentials }
  const option = ofLabel(options, runsOn)
  if (option !== null) return named(option, 'option')
  if (request !== null) return named(request, 'request')
  const label = ofLabel(labels, runsOn)
  return label === null ? { kind: 'host' } : named(label, 'label')
}

/** Of the first label that has one. */
function ofLabel(images: Readonly<Record<string, string>>, runsOn: readonly string[]): string | null {
  const label = runsOn.map((name) => name.toLowerCase()).find((name) => Object.hasOwn(images, name))
  return label === undefined ? null : (images[label] ?? null)
}

function named(reference: string, by: ImageAuthor): WantedImage {
  return reference === 'host' ? { kind: 'host' } : { kind: 'reference', reference, by, credentials: null }
}
