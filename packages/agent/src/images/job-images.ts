// SPDX-License-Identifier: Apache-2.0
import { decideConnection, isRegistryImage, type OperatorImages, parseAddress, type RuleSet } from '@sallyport/access'
import { quote } from '@sallyport/core'
import type { ImageStore, ImageUse, StoredImage } from '@sallyport/images'
import { assertImagesHold } from '@sallyport/sandbox'
import { AgentError } from '../agent-error.ts'
import { imageFacts } from './image-facts.ts'
import { HOST_IMAGE, type JobImage } from './job-image.ts'
import { assertWithinCeiling, readAuthorities } from './operator-registries.ts'
import type { WantedImage } from './wanted-image.ts'

export interface ImageRequest {
  readonly wanted: WantedImage
  /** Of the job: what it may reach. */
  readonly sets: readonly RuleSet[]
  readonly signal: AbortSignal
  /** One printable line. */
  readonly onProgress?: (text: string) => void
}

/** `directory`: the state directory. Nothing is loaded, and no store made, where all jobs run on the host's own programs. */
export class JobImages {
  readonly #directory: string
  readonly #operator: OperatorImages
  #store: Promise<ImageStore> | null = null

  constructor(directory: string, operator: OperatorImages) {
    this.#directory = directory
    this.#operator = operator
  }

  /**
   * Brings the image here and checks it. Nothing of the job has started by then.
   *
   * @throws AgentError IMAGE_NOT_ALLOWED, IMAGE_AUTHORITY_UNREADABLE; SandboxError SANDBOX_UNSUPPORTED without root; ImagesError as `ImageStore`
   */
  async resolve({ wanted, sets, signal, onProgress }: ImageRequest): Promise<JobImage> {
    if (wanted.kind === 'host') return HOST_IMAGE
    assertImagesHold(wanted.reference)
    const { parseReference } = await import('@sallyport/images')
    if (wanted.by === 'container' || wanted.by === 'request') {
      assertOfRegistry(wanted.reference)
      const reference = parseReference(wanted.reference, this.#operator.defaultRegistry ?? undefined)
      if (reference.kind !== 'registry') throw notOfRegistry(wanted.reference)
      assertWithinCeiling(this.#operator, `${reference.registry}/${reference.repository}`, 'run in')
      // An access file's was approved by name. A workflow's may be made of what an earlier job said: a question to a registry is a way out.
      if (wanted.by === 'container') assertReachable(wanted.reference, reference.registry, sets)
    }
    const store = await this.#openStore()
    const { reference, credentials } = wanted
    const image = await store.pull(reference, { credentials, signal, ...(onProgress === undefined ? {} : { onProgress }) })
    return await hold(store, image)
  }

  #openStore(): Promise<ImageStore> {
    this.#store ??= openImages(this.#directory, this.#operator)
    return this.#store
  }
}

/** The one store of a state directory. @throws AgentError IMAGE_AUTHORITY_UNREADABLE */
async function openImages(stateDirectory: string, operator: OperatorImages): Promise<ImageStore> {
  const { openStateImages } = await import('@sallyport/images')
  const { defaultRegistry, dangerouslyWithoutTls } = operator
  return openStateImages(stateDirectory, {
    ...(defaultRegistry === null ? {} : { defaultRegistry }),
    authorities: readAuthorities(operator),
    dangerouslyWithoutTls,
  })
}

function assertOfRegistry(reference: string): void {
  if (!isRegistryImage(reference)) throw notOfRegistry(reference)
}

function notOfRegistry(reference: string): AgentError {
  return new AgentError(
    'IMAGE_NOT_ALLOWED',
    `Cannot run in the image ${quote(reference)}: a repository may ask for images of registries only`,
    {
      hint: 'Write HOST[:PORT]/NAME[:TAG][@DIGEST]; a place on this machine is named with --image or by the operator',
    },
  )
}

const TLS_PORT = 443

function assertReachable(reference: string, registry: string, sets: readonly RuleSet[]): void {
  const [, bracketed, plain = '', port] = /^(?:\[([^\]]*)\]|([^:]*))(?::([0-9]+))?$/.exec(registry) ?? []
  const host = bracketed ?? plain
  const isAddress = parseAddress(host) !== null
  const target = {
    name: isAddress ? null : host,
    address: isAddress ? host : null,
    port: port === undefined ? TLS_PORT : Number(port),
    transport: 'tcp',
    executable: null,
  } as const
  const decision = decideConnection(sets, target)
  if (decision.allowed) return
  throw new AgentError('IMAGE_NOT_ALLOWED', `Cannot bring the image ${quote(reference)}: ${decision.refusal.reason}`, {
    hint: `Allow it: --allow ${registry}, or egress: in sallyport.yml`,
  })
}

/** Looked at while it is held: nobody removes it any more, and what a start would use is what is checked. */
async function hold(store: ImageStore, image: StoredImage): Promise<JobImage> {
  const use: ImageUse = await store.use(image)
  try {
    await store.check(image)
    const reference = image.reference.replace(/@sha256:[0-9a-f]{64}$/, '')
    return {
      spec: { kind: 'tree', root: image.root, description: `${reference}@${image.digest}` },
      facts: imageFacts(image.root, image.config.env),
      resolved: { reference: image.reference, digest: image.digest },
      hold: () => hold(store, image),
      [Symbol.asyncDispose]: () => use[Symbol.asyncDispose](),
    }
  } catch (error) {
    await use[Symbol.asyncDispose]()
    throw error
  }
}
