// SPDX-License-Identifier: Apache-2.0
import type { AccessFile } from './access-file.ts'
import { compareText } from './compare-text.ts'
import type { EgressRule, PathSegment } from './contract.ts'
import type { EgressEntry } from './egress-entry.ts'
import type { AudienceGrant, IdentityGrant } from './identity-contract.ts'
import type { PublishEntry } from './publish-contract.ts'
import type { SecretDeclaration, SecretGrant } from './secret-contract.ts'

/**
 * All that a file asks for, in one form: the caller hashes it (UTF-8, SHA-256), and an approval is for that hash. Comments, order and
 * spelling change nothing; a host, a method or a budget does. Presets have to be expanded: an approval is for hosts, not for words.
 *
 * @throws TypeError for a preset that is not expanded
 */
export function canonicalAsk({ image, isolation, limits, egress, jobs, secrets }: AccessFile): string {
  return JSON.stringify({
    version: 1,
    // Without one the form is that of files that have none.
    ...(image === null ? {} : { image }),
    isolation,
    limits: Object.entries(limits).sort(([left], [right]) => compareText(left, right)),
    egress: canonicalEntries(egress),
    jobs: sorted(
      jobs.map((job) => ({
        id: job.id,
        egress: canonicalEntries(job.egress),
        steps: sorted(
          job.steps
            .map((step) => ({
              id: step.id,
              egress: canonicalEntries(step.egress),
              ...canonicalGrants(step.secrets, secrets),
              ...canonicalIdentity(step.identity),
            }))
            .filter(({ egress: asked, secrets: granted, identity }) => asked.length > 0 || granted !== undefined || identity !== undefined),
        ),
        ...canonicalPublish(job.publish, secrets),
      })),
    ).filter((job) => job.egress.length > 0 || job.steps.length > 0 || 'publish' in job),
  })
}

/** With the declaration of each: an approval is for what is read, not for a word. Without grants the form is the one of files that have none. */
function canonicalGrants(
  grants: readonly SecretGrant[],
  declared: readonly SecretDeclaration[],
): { readonly secrets?: readonly unknown[] } {
  if (grants.length === 0) return {}
  const form = ({ secret, delivery, as, when }: SecretGrant): unknown => {
    return [secret, canonicalDeclaration(secret, declared), delivery, as, when]
  }
  return { secrets: sorted(grants.map(form)) }
}

function canonicalIdentity(grant: IdentityGrant | null): { readonly identity?: unknown } {
  return grant === null ? {} : { identity: [sorted(grant.audiences.map(canonicalAudience)), grant.when] }
}

/** A name alone where nothing else is said: the form of files that can say nothing else. */
function canonicalAudience({ audience, placeholder, algorithm, lifetimeS }: AudienceGrant): unknown {
  return placeholder === null && algorithm === null && lifetimeS === null ? audience : [audience, placeholder, algorithm, lifetimeS]
}

/** As for grants. */
function canonicalPublish(
  entries: readonly PublishEntry[],
  declared: readonly SecretDeclaration[],
): { readonly publish?: readonly unknown[] } {
  if (entries.length === 0) return {}
  const form = ({ name, path, to, method, credential, when }: PublishEntry): unknown => {
    const place = credential && [credential.secret, canonicalDeclaration(credential.secret, declared), credential.place]
    return [name, path, to.protocol, to.host, to.port, `${to.path.text}${to.path.query}`, to.tag, method, place, when]
  }
  return { publish: entries.map(form) }
}

function canonicalDeclaration(secret: string, declared: readonly SecretDeclaration[]): unknown {
  const declaration = declared.find(({ name }) => name === secret)
  const { from, path, field, version, parameters, hosts } = declaration ?? { from: null, hosts: [] }
  return { from, path, field, version, parameters, hosts: sorted(hosts) }
}

/** Rules of one place in the file stay together, because they share one budget. */
function canonicalEntries(entries: readonly EgressEntry[]): readonly unknown[] {
  const places = new Map<string, unknown[]>()
  for (const entry of entries) {
    if (entry.kind === 'preset') throw new TypeError(`the preset ${entry.preset.name} is not expanded`)
    const { line, column } = entry.rule.origin
    const place = `${line}:${column}`
    places.set(place, [...(places.get(place) ?? []), canonicalRule(entry.rule)])
  }
  return sorted([...places.values()].map((rules) => sorted(rules)))
}

function canonicalRule({ to, ports, protocol, http, serverName, executables, budget }: EgressRule): unknown {
  return {
    to: to.kind === 'name' ? [to.pattern.kind, to.pattern.name] : ['network', to.cidr],
    ports: ports.map(({ first, last }) => [first, last]),
    protocol,
    http: http && {
      methods: http.methods && sorted(http.methods),
      paths: http.paths && sorted(http.paths.map((path) => path.map(canonicalSegment))),
      graphql: http.graphql,
      websocket: http.websocket,
    },
    serverName,
    executables: executables && sorted(executables),
    budget: [budget.bytesOut, budget.bytesIn, budget.bytesPerSecond],
  }
}

/** What a placeholder is called makes no difference. */
function canonicalSegment(segment: PathSegment): readonly string[] {
  return segment.kind === 'literal' ? ['literal', segment.text] : [segment.kind]
}

/** Without repetition, by the JSON of each. */
function sorted<Item>(items: readonly Item[]): readonly Item[] {
  const byText = new Map(items.map((item) => [JSON.stringify(item), item]))
  return [...byText].sort(([left], [right]) => compareText(left, right)).map(([, item]) => item)
}
