// SPDX-License-Identifier: Apache-2.0
import { quote } from '@sallyport/core'
import type { TreeReader } from './tree-reader.ts'
import type { YamlNode, YamlText } from './yaml-tree.ts'

/** What the operator says about images and the registries that they come from. */
export interface OperatorImages {
  /** What `runs-on` labels mean, by lower-case label: references of images, or `host`. */
  readonly labels: Readonly<Record<string, string>>
  /** What a reference without a registry means, `HOST[:PORT][/PATH]`; null: it is refused. */
  readonly defaultRegistry: string | null
  /**
   * Beginnings of references in full that repositories may ask for, each ending with `/`; null: any, where a person approves what they ask for. With an operator's
   * file nobody is asked, and the supervisor connects itself, where no gate checks the address: then none but these.
   */
  readonly allow: readonly string[] | null
  /** By `HOST[:PORT]`: absolute paths of PEM files that the registry's certificate may be issued by. */
  readonly authorities: Readonly<Record<string, string>>
  /** `HOST[:PORT]` of registries that are spoken to without TLS. */
  readonly dangerouslyWithoutTls: readonly string[]
}

/** Without an operator's file. */
export const OPERATOR_IMAGES_DEFAULT: OperatorImages = {
  labels: {},
  defaultRegistry: null,
  allow: null,
  authorities: {},
  dangerouslyWithoutTls: [],
}

/** Places on this machine: whoever may name one may have any file that the supervisor can read. */
const LOCAL = /^(?:oci|oci-archive|docker-archive|docker-daemon|containers-storage|dir|ostree|sif|tarball):/
// One component of a registry's host, or of a repository's name, begins and ends with a letter or digit.
const REGISTRY_IMAGE =
  /^[a-z0-9][a-z0-9._-]*(?::[0-9]{1,5}(?=\/))?(?:\/[a-z0-9][a-z0-9._-]*)*(?::[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(?:@sha256:[0-9a-f]{64})?$/
const REFERENCE_CHARACTERS_MAX = 1000
const REGISTRY = /^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::[0-9]{1,5})?$/

/** Whether it is a reference that a repository may write: of a registry, not of a place on this machine. Whether it names a registry is not looked at. */
export function isRegistryImage(text: string): boolean {
  return text.length <= REFERENCE_CHARACTERS_MAX && !LOCAL.test(text) && REGISTRY_IMAGE.test(text)
}

/** `image:` of an access file; null for the default, which is `host` but where the operator says otherwise. */
export function readImage(node: YamlNode | undefined, reader: TreeReader): string | null {
  const text = node === undefined ? null : reader.text(node, 'image')
  if (text === null || text.value === 'host') return null
  if (isRegistryImage(text.value)) return text.value
  return reader.invalid(
    text.at,
    LOCAL.test(text.value)
      ? `${quote(text.value)} is a place on this machine, and a file of a repository cannot ask for one`
      : noReference(text),
    'write host, or HOST[:PORT]/NAME[:TAG][@DIGEST]',
  )
}

function noReference({ value }: YamlText): string {
  return `${quote(value)} is no reference of an image`
}

/** `images:` and `registries:` of the operator's file. */
export function readOperatorImages(images: YamlNode | undefined, registries: YamlNode | undefined, reader: TreeReader): OperatorImages {
  const fields =
    registries === undefined ? {} : reader.fields(registries, 'registries', ['default', 'allow', 'authorities', 'dangerouslyWithoutTls'])
  const { dangerouslyWithoutTls } = fields
  return {
    labels: Object.fromEntries(
      entriesOf(images, 'images', reader).map(({ key, value }) => [key.value.toLowerCase(), readLabelImage(value, reader)]),
    ),
    defaultRegistry: fields.default === undefined ? null : readDefault(fields.default, reader),
    allow:
      fields.allow === undefined ? [] : reader.texts(fields.allow, 'registries.allow').flatMap((text) => readPrefix(text, reader) ?? []),
    authorities: Object.fromEntries(
      entriesOf(fields.authorities, 'registries.authorities', reader).map(({ key, value }) => [
        readRegistry(key, reader) ?? '',
        readAuthority(value, reader),
      ]),
    ),
    dangerouslyWithoutTls:
      dangerouslyWithoutTls === undefined
        ? []
        : reader.texts(dangerouslyWithoutTls, 'dangerouslyWithoutTls').flatMap((text) => readRegistry(text, reader) ?? []),
  }
}

function entriesOf(
  node: YamlNode | undefined,
  what: string,
  reader: TreeReader,
): readonly { readonly key: YamlText; readonly value: YamlNode }[] {
  const entries = node === undefined ? [] : (reader.map(node, what)?.entries ?? [])
  return entries.map(({ key, keyAt, value }) => ({ key: { kind: 'text', value: key, at: keyAt } as YamlText, value }))
}

/** The operator may name any image, a place on this machine too. */
function readLabelImage(node: YamlNode, reader: TreeReader): string {
  const text = reader.text(node, 'the image of a label')
  if (text === null) return 'host'
  if (text.value === '' || text.value.length > REFERENCE_CHARACTERS_MAX || /[\s\0]/.test(text.value))
    reader.invalid(text.at, noReference(text))
  return text.value
}

function readDefault(node: YamlNode, reader: TreeReader): string | null {
  const text = reader.text(node, 'registries.default')
  if (text === null) return null
  const [host = '', ...path] = text.value.split('/')
  if (REGISTRY.test(host) && path.every((part) => /^[a-z0-9][a-z0-9._-]*$/.test(part))) return text.value
  return reader.invalid(text.at, `${quote(text.value)} is no registry`, 'write HOST[:PORT] or HOST[:PORT]/PATH')
}

function readRegistry({ value, at }: YamlText, reader: TreeReader): string | null {
  return REGISTRY.test(value) ? value : reader.invalid(at, `${quote(value)} is no registry`, 'write HOST or HOST:PORT, in lower case')
}

/** A beginning that ends within a name would allow `example.org/acme-evil` with `example.org/acme`. */
function readPrefix({ value, at }: YamlText, reader: TreeReader): string | null {
  const [host = '', ...path] = value.replace(/\/$/, '').split('/')
  if (REGISTRY.test(host) && path.every((part) => /^[a-z0-9][a-z0-9._-]*$/.test(part))) return value.endsWith('/') ? value : `${value}/`
  return reader.invalid(at, `${quote(value)} is no beginning of a reference`, 'write HOST[:PORT] or HOST[:PORT]/PATH')
}

function readAuthority(node: YamlNode, reader: TreeReader): string {
  const text = reader.text(node, 'an authority')
  if (text !== null && !text.value.startsWith('/')) reader.invalid(text.at, `${quote(text.value)} is no absolute path`, 'begin it with /')
  return text?.value ?? ''
}

/** Whether the operator lets repositories ask for it. `name`: `HOST[:PORT]/REPOSITORY` in full. */
export function allowsImage({ allow }: OperatorImages, name: string): boolean {
  return allow === null || allow.some((prefix) => `${name}/`.startsWith(prefix))
}
