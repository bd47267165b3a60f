// SPDX-License-Identifier: Apache-2.0
import { printable } from '@sallyport/core'
import { formatName } from './host-pattern.ts'
import type { AudienceGrant, IdentityGrant } from './identity-contract.ts'
import { formatPath } from './path-pattern.ts'
import type { GrantConditions, PlaceholderPlace, SecretDeclaration, SecretGrant } from './secret-contract.ts'

/** What somebody approves: `secret TOKEN from openbao:kv/ci/packages#token, as a placeholder in header authorization to packages.example.test`. */
export function describeGrant(
  { secret, at, delivery, as, when }: SecretGrant,
  declared: readonly SecretDeclaration[],
): { readonly text: string; readonly rule: string } {
  const declaration = declared.find(({ name }) => name === secret)
  const parts = [
    `secret ${secret} from ${declaration === undefined ? '?' : describeAddress(declaration)}`,
    delivery.kind === 'placeholder' ? placeholderText(delivery, declaration?.hosts ?? []) : `as ${DELIVERED[delivery.kind]}`,
    ...(as === null ? [] : [`in the variable ${as}`]),
    ...whenTexts(when),
  ]
  return { text: printable(parts.join(', ')), rule: `${at.file}:${at.line}` }
}

/** `identity tokens for https://vault.example.test, on refs/heads/main`. */
export function describeIdentity({ at, audiences, when }: IdentityGrant): { readonly text: string; readonly rule: string } {
  const parts = [`identity tokens for ${audiences.map(audienceText).join(' ')}`, ...whenTexts(when)]
  return { text: printable(parts.join(', ')), rule: `${at.file}:${at.line}` }
}

function audienceText({ audience, placeholder, algorithm, lifetimeS }: AudienceGrant): string {
  const how = [
    ...(placeholder === null ? [] : [placeholderText(placeholder, placeholder.hosts)]),
    ...(algorithm === null ? [] : [algorithm]),
    ...(lifetimeS === null ? [] : [`for ${lifetimeS} s`]),
  ]
  return how.length === 0 ? audience : `${audience} (${how.join(', ')})`
}

const DELIVERED = { file: 'a file', fd: 'an open descriptor', env: 'its own value in the environment' } as const

export function describeAddress({ from, path, field, version, parameters }: SecretDeclaration): string {
  const asked = Object.entries(parameters).map(([name, value]) => ` ${name}=${value}`)
  return `${from}${path === null ? '' : `:${path}`}${field === null ? '' : `#${field}`}${version === null ? '' : ` version ${version}`}${asked.join('')}`
}

function placeholderText(
  { in: place, methods, paths }: Omit<Extract<SecretGrant['delivery'], { kind: 'placeholder' }>, 'kind'>,
  hosts: SecretDeclaration['hosts'],
): string {
  const where = placeText(place)
  const how = [methods === null ? '' : ` ${methods.join(' ')}`, paths === null ? '' : ` ${paths.map(formatPath).join(' ')}`].join('')
  return `as a placeholder ${where} to ${hosts.map(formatName).join(' ')}${how}`
}

function placeText(place: PlaceholderPlace): string {
  if ('aws' in place) {
    const { services, regions } = place.aws
    return `that signs requests for ${services.join(' ')} in ${regions === null ? 'every region' : regions.join(' ')}`
  }
  if ('header' in place) return `in header ${place.header}`
  return 'query' in place ? `in query ${place.query}` : `in body ${place.body}`
}

export function whenTexts({ refs, events, environments, actors }: GrantConditions): readonly string[] {
  return [
    refs === null ? '' : `on ${refs.map((ref) => formatPath(ref).slice(1)).join(' ')}`,
    events === null ? '' : `for ${events.join(' ')}`,
    environments === null ? '' : `in environment ${environments.join(' ')}`,
    actors === null ? '' : `by ${actors.join(' ')}`,
  ].filter((text) => text !== '')
}
