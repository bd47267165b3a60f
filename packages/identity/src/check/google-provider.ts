// SPDX-License-Identifier: Apache-2.0
// A provider of a workload identity pool of Google Cloud.
import { quote } from '@sallyport/core'
import { ConditionSyntaxError, type Conjunction, readCondition, type Term } from './cel-condition.ts'
import type { Constraint, Finding, Grant, ReadPolicy } from './contract.ts'
import type { PolicyNode } from './policy-node.ts'

/** As it is given to the API, or as `gcloud iam workload-identity-pools providers describe` prints it. */
export function googleProvider(root: PolicyNode): PolicyNode | null {
  return root.has('attributeMapping') || root.has('attributeCondition') || root.get('oidc')?.has('issuerUri') === true ? root : null
}

export function readGoogleProvider(provider: PolicyNode): ReadPolicy {
  const condition = provider.get('attributeCondition')
  const place = condition ?? provider
  const grantOf = (constraints: readonly Constraint[]): Grant => ({
    at: place.at,
    path: place.path,
    constraints,
    hasAudience: true, // Without allowedAudiences it is the provider's own name.
    write: (claim, value) => `"attributeCondition": "assertion.${claim} == '${value}'"`,
  })
  if (condition === null || condition.text === null || condition.text.trim() === '') return { grants: [grantOf([])], findings: [] }
  try {
    const read = readCondition(condition.text).map((terms) => readConjunction(terms, condition, mappingOf(provider)))
    return { grants: read.map(({ constraints }) => grantOf(constraints)), findings: read.flatMap(({ findings }) => findings) }
  } catch (error) {
    if (!(error instanceof ConditionSyntaxError)) throw error
    const message = `${quote(condition.text)} is a condition that this check cannot read: ${error.message}`
    const remedy = "write comparisons such as assertion.sub == '…', joined by && and ||, or judge it yourself"
    return { grants: [], findings: [{ rule: 'unread', at: condition.at, path: condition.path, message, remedy }] }
  }
}

/** `attribute.x` and `google.subject` → the claim that they stand for. */
function mappingOf(provider: PolicyNode): ReadonlyMap<string, string> {
  const fields = provider.get('attributeMapping')?.fields() ?? []
  return new Map(fields.flatMap(({ key, value }) => (value.text === null ? [] : [[key, value.text.trim()] as const])))
}

interface ReadConjunction {
  readonly constraints: readonly Constraint[]
  readonly findings: readonly Finding[]
}

function readConjunction(terms: Conjunction, condition: PolicyNode, mapping: ReadonlyMap<string, string>): ReadConjunction {
  const { at, path } = condition
  const findings: Finding[] = []
  const constraints = terms.flatMap((term): Constraint[] => {
    const claim = claimOf(term.subject, mapping)
    const { isNegated, operator } = term
    if (isNegated && claim !== null)
      findings.push({
        rule: 'negated',
        at,
        path,
        message: `${quote(`!= ${term.values.join(', ')}`)} lets everybody in but those that it names`,
        remedy: `assertion.${claim} == '…'`,
      })
    if (operator === 'unreadable') {
      const message = `${quote(term.values.join(' '))} is a pattern that this check cannot read`
      findings.push({ rule: 'unread', at, path, message, remedy: 'compare with ==, or judge it yourself' })
    }
    if (claim === null || isNegated || operator === 'unreadable') return []
    return [{ claim, patterns: term.values.map((text) => ({ text: globOf(term, text), isGlob: operator !== 'equals', at, path })) }]
  })
  return { constraints, findings }
}

function claimOf(subject: string, mapping: ReadonlyMap<string, string>): string | null {
  const source = subject.startsWith('assertion.') ? subject : (mapping.get(subject) ?? '')
  return /^assertion\.(\w+)$/.exec(source)?.[1] ?? null
}

function globOf({ operator }: Term, text: string): string {
  if (operator === 'startsWith') return `${text}*`
  if (operator === 'endsWith') return `*${text}`
  return operator === 'contains' ? `*${text}*` : text
}
