// SPDX-License-Identifier: Apache-2.0
import { resolve } from 'node:path'
import { quote } from '@sallyport/core'
import { ImagesError } from '../images-error.ts'

export interface RegistryReference {
  readonly kind: 'registry'
  /** `HOST[:PORT]`. */
  readonly registry: string
  readonly repository: string
  readonly tag: string | null
  /** Where there is one, the tag is for people. */
  readonly digest: string | null
}

/** An image on this machine. Only an operator may name one: the path is any that the supervisor can read. */
export interface LocalReference {
  readonly kind: 'oci' | 'oci-archive' | 'docker-archive'
  /** Absolute. */
  readonly path: string
  readonly tag: string | null
}

export type ImageReference = RegistryReference | LocalReference

const LOCAL_KINDS: readonly LocalReference['kind'][] = ['oci', 'oci-archive', 'docker-archive']
// The grammar of distribution's "reference" (OCI distribution 1.1, "Pulling manifests").
const REGISTRY = /^(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*|\[[0-9a-f:]+\])(?::[0-9]{1,5})?$/
const REPOSITORY = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*$/
const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/
export const DIGEST: RegExp = /^sha256:[0-9a-f]{64}$/
const REFERENCE_CHARACTERS_MAX = 1000
/** What tools elsewhere make of a name without a registry. */
const USUAL_REGISTRY = 'docker.io'

/** @param defaultRegistry What the operator says a name without a registry means: `HOST[:PORT][/PATH]`. @throws ImagesError IMAGE_REFERENCE_INVALID */
export function parseReference(text: string, defaultRegistry: string | undefined): ImageReference {
  if (text.length > REFERENCE_CHARACTERS_MAX) throw invalid(text, `it has more than ${REFERENCE_CHARACTERS_MAX} characters`)
  const kind = LOCAL_KINDS.find((candidate) => text.startsWith(`${candidate}:`))
  return kind === undefined ? parseRegistry(text, defaultRegistry) : parseLocal(text, kind)
}

function parseLocal(text: string, kind: LocalReference['kind']): LocalReference {
  const rest = text.slice(kind.length + 1)
  const colon = rest.lastIndexOf(':')
  const tail = colon === -1 ? '' : rest.slice(colon + 1)
  const hasTag = colon !== -1 && (TAG.test(tail) || kind === 'docker-archive') && !tail.includes('/')
  // Archives of Docker name their images NAME:TAG.
  const path = kind === 'docker-archive' ? (rest.split(':', 1)[0] ?? '') : hasTag ? rest.slice(0, colon) : rest
  const tag = path.length === rest.length ? null : rest.slice(path.length + 1)
  if (path === '' || path.includes('\0')) throw invalid(text, `after "${kind}:" comes a path`)
  if (tag === '' || (tag !== null && !/^[A-Za-z0-9][A-Za-z0-9._:/-]{0,255}$/.test(tag)))
    throw invalid(text, 'what follows the path is no tag')
  return { kind, path: resolve(path), tag }
}

function parseRegistry(text: string, defaultRegistry: string | undefined): RegistryReference {
  const name = text.startsWith('docker://') ? text.slice('docker://'.length) : text
  if (/^[a-z-]+:\/\//.test(name)) throw invalid(text, 'it has a scheme that is none of docker://, oci:, oci-archive: and docker-archive:')
  const [beforeDigest = '', digest = null, ...more] = name.split('@')
  if (more.length > 0 || (digest !== null && !DIGEST.test(digest)))
    throw invalid(text, 'its digest is none: sha256: and 64 lower-case hexadecimal digits')
  const [, path = '', tag = null] = /^(.*?)(?::([^/:]*))?$/.exec(beforeDigest) ?? []
  if (tag !== null && !TAG.test(tag)) throw invalid(text, `${quote(tag)} is no tag`)
  const slash = path.indexOf('/')
  const first = slash === -1 ? '' : path.slice(0, slash)
  const hasRegistry = first.includes('.') || first.includes(':') || first === 'localhost'
  if (!hasRegistry) return fromDefault(text, { path, tag, digest }, defaultRegistry)
  return { kind: 'registry', registry: checkRegistry(text, first), ...checkRepository(text, path.slice(slash + 1)), ...named(tag, digest) }
}

interface Unqualified {
  readonly path: string
  readonly tag: string | null
  readonly digest: string | null
}

function fromDefault(text: string, { path, tag, digest }: Unqualified, defaultRegistry: string | undefined): RegistryReference {
  checkRepository(text, path)
  if (defaultRegistry !== undefined) {
    const [registry = '', ...prefix] = defaultRegistry.split('/')
    return {
      kind: 'registry',
      registry: checkRegistry(defaultRegistry, registry),
      ...checkRepository(text, [...prefix, path].join('/')),
      ...named(tag, digest),
    }
  }
  const usual = `${USUAL_REGISTRY}/${path.includes('/') ? '' : 'library/'}${path}${tag === null ? (digest === null ? ':latest' : '') : `:${tag}`}${digest === null ? '' : `@${digest}`}`
  throw new ImagesError('IMAGE_REFERENCE_INVALID', `${quote(text)} names no registry, and none is guessed`, {
    hint: `Elsewhere it would mean ${quote(usual)}: write that where it is meant. Or name a default registry (docs/images.md)`,
  })
}

/** `latest` is what a name without a tag means everywhere; the digest that it has now is on record. */
function named(tag: string | null, digest: string | null): { readonly tag: string | null; readonly digest: string | null } {
  return { tag: tag ?? (digest === null ? 'latest' : null), digest }
}

function checkRegistry(text: string, registry: string): string {
  const port = /:([0-9]+)$/.exec(registry.replace(/^\[.*\]/, ''))?.[1]
  if (REGISTRY.test(registry) && registry.length <= 255 && (port === undefined || (Number(port) > 0 && Number(port) <= 65_535)))
    return registry
  throw invalid(text, `${quote(registry)} is no registry: HOST or HOST:PORT, in lower case`)
}

function checkRepository(text: string, repository: string): { readonly repository: string } {
  if (REPOSITORY.test(repository) && repository.length <= 255) return { repository }
  throw invalid(text, `${quote(repository)} is no name of an image: lower case, digits, and ., _, -, / between them`)
}

function invalid(text: string, why: string): ImagesError {
  return new ImagesError('IMAGE_REFERENCE_INVALID', `${quote(text)} is no reference of an image: ${why}`, {
    hint: 'Write HOST[:PORT]/NAME[:TAG][@DIGEST], oci:DIR[:TAG], oci-archive:FILE[:TAG] or docker-archive:FILE',
  })
}

/** Of a registry: the same place in full. */
export function formatReference({ registry, repository, tag, digest }: RegistryReference): string {
  return `${registry}/${repository}${tag === null ? '' : `:${tag}`}${digest === null ? '' : `@${digest}`}`
}
