// SPDX-License-Identifier: Apache-2.0
import type { AccessFile } from './access-file.ts'
import { compareText } from './compare-text.ts'
import type { EgressRule, PathSegment } from './contract.ts'
import type { EgressEntry } from './egress-entry.ts'

/**
 * All that a file asks for, in one form: the caller hashes it (UTF-8, SHA-256), and an approval is for that hash. Comments, order and
 * spelling change nothing; a host, a method or a budget does. Presets have to be expanded: an approval is for hosts, not for words.
 *
 * @throws TypeError for a preset that is not expanded
 */
export function canonicalAsk({ isolation, limits, egress, jobs }: AccessFile): string {
  return JSON.stringify({
    version: 1,
    isolation,
    limits: Object.entries(limits).sort(([left], [right]) => compareText(left, right)),
    egress: canonicalEntries(egress),
    jobs: sorted(
      jobs.map((job) => ({
        id: job.id,
        egress: canonicalEntries(job.egress),
        steps: sorted(
          job.steps.map((step) => ({ id: step.id, egress: canonicalEntries(step.egress) })).filter(({ egress: asked }) => asked.length > 0),
        ),
      })),
    ).filter((job) => job.egress.length > 0 || job.steps.length > 0),
  })
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
