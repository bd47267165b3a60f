// SPDX-License-Identifier: Apache-2.0
import type { EgressRule, Refusal, RuleSet } from '@sallyport/access'
import { NameTable } from '../names/name-table.ts'
import type { OpenStep } from '../ports.ts'

export interface RecordedStep extends OpenStep {
  readonly refusals: Refusal[]
  readonly alerts: string[]
  end(): void
}

const ruleFor = (pattern: string): EgressRule => ({
  origin: { source: 'sallyport.yml', line: 3, column: 9, text: pattern },
  to: { kind: 'name', pattern: pattern.startsWith('*.') ? { kind: 'suffix', name: pattern.slice(2) } : { kind: 'exact', name: pattern } },
  ports: [{ first: 443, last: 443 }],
  protocol: 'tls',
  http: null,
  serverName: 'required',
  executables: null,
  budget: { bytesOut: null, bytesIn: null, bytesPerSecond: null },
})

/** A step whose rules allow these names, with what was reported of it. */
export function recordedStep(patterns: readonly string[], { step = 'build/1', source = '127.0.0.1' } = {}): RecordedStep {
  const shut = new AbortController()
  const refusals: Refusal[] = []
  const alerts: string[] = []
  const set: RuleSet = {
    author: 'request',
    source: 'sallyport.yml',
    rules: patterns.map(ruleFor),
    observes: false,
    place: 'jobs.build.egress',
  }
  return {
    doors: { step, source, sets: [set], substitutions: [], honeytokens: [], relays: [] },
    signal: shut.signal,
    report: {
      refused: (refusal) => void refusals.push(refusal),
      alert: (kind, detail) => void alerts.push(`${kind}: ${detail}`),
      request: () => undefined,
    },
    refusals,
    alerts,
    end: () => shut.abort(),
  }
}

export function namesOf(...steps: readonly OpenStep[]): NameTable {
  const names = new NameTable()
  for (const { doors } of steps) names.open(doors)
  return names
}
