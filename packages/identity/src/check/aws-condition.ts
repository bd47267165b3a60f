// SPDX-License-Identifier: Apache-2.0
import { quote } from '@sallyport/core'
import type { Constraint, Finding, FindingRule } from './contract.ts'
import type { PolicyNode } from './policy-node.ts'

export interface AwsCondition {
  /** Null when it binds nothing. */
  readonly constraint: Constraint | null
  readonly findings: readonly Finding[]
}

const NOTHING: AwsCondition = { constraint: null, findings: [] }

interface Operator {
  readonly kind: 'equals' | 'like' | 'equalsignorecase'
  readonly isNegated: boolean
  /** It holds where the claim is not there. */
  readonly isOptional: boolean
}

/** One key of one operator of a `Condition`: `"StringEquals": { "ci.example.test:sub": … }`. `providers`: those of the statement, none for any. */
export function readAwsCondition(
  operatorText: string,
  { key, value }: { readonly key: string; readonly value: PolicyNode },
  providers: readonly string[],
): AwsCondition {
  const operator = parseOperator(operatorText)
  // Of dates, of addresses, and of the request: they only narrow
  if (operator === null || /^(?:aws|sts):/i.test(key)) return NOTHING
  const claim = key.slice(key.lastIndexOf(':') + 1).toLowerCase()
  const patterns = value.patterns((text) => operator.kind === 'like' && /[*?]/.test(text))
  const flaw = keyFlaw(key, providers) ?? operatorFlaw(operatorText, operator)
  const { at, path } = value
  const findings = flaw === null ? [] : [{ ...flaw, at, path, remedy: flaw.remedy ?? `"StringEquals": { ${JSON.stringify(key)}: … }` }]
  if (operator.isNegated || operator.isOptional) return { constraint: null, findings }
  return { constraint: { claim, patterns }, findings: [...findings, ...plainLikes(operatorText, operator, key, patterns)] }
}

const OPERATOR = /^(?<every>ForAllValues:)?(?:ForAnyValue:)?String(?<not>Not)?(?<kind>EqualsIgnoreCase|Equals|Like)(?<ifExists>IfExists)?$/i

function parseOperator(text: string): Operator | null {
  const { every, not, kind, ifExists } = OPERATOR.exec(text)?.groups ?? {}
  if (kind === undefined) return null
  return {
    kind: kind.toLowerCase() as Operator['kind'],
    isNegated: not !== undefined,
    isOptional: every !== undefined || ifExists !== undefined,
  }
}

interface KeyFlaw {
  readonly rule: FindingRule
  readonly message: string
  readonly remedy?: string
}

/** The claims of most issuers that there are condition keys for; of GitHub's own there are more. */
const KNOWN_CLAIMS: readonly string[] = ['sub', 'aud', 'amr', 'oaud', 'email']
const RICHER_PROVIDERS: readonly string[] = ['token.actions.githubusercontent.com']

function keyFlaw(key: string, providers: readonly string[]): KeyFlaw | null {
  const colon = key.lastIndexOf(':')
  const [provider, claim] = [key.slice(0, colon).toLowerCase(), key.slice(colon + 1)]
  const isOfProvider = providers.length === 0 || providers.some((known) => known.toLowerCase() === provider)
  if (!isOfProvider)
    return {
      rule: 'never-matches',
      message: `${quote(key)} is no condition key of ${providers.map(quote).join(' or ')}: it lets nobody in`,
      remedy: `"StringEquals": { ${JSON.stringify(`${providers[0]}:${claim}`)}: … }`,
    }
  if (KNOWN_CLAIMS.includes(claim.toLowerCase()) || RICHER_PROVIDERS.includes(provider)) return null
  return {
    rule: 'never-matches',
    message: `AWS has condition keys for ${KNOWN_CLAIMS.join(', ')} of this issuer, not for ${quote(claim)}`,
    remedy: `"StringEquals": { ${JSON.stringify(`${provider}:sub`)}: … }`,
  }
}

function operatorFlaw(text: string, { kind, isNegated, isOptional }: Operator): KeyFlaw | null {
  if (isNegated) return { rule: 'negated', message: `${quote(text)} lets everybody in but those that it names` }
  if (isOptional) return { rule: 'optional', message: `${quote(text)} also holds where the claim is not there at all` }
  if (kind !== 'equalsignorecase') return null
  return { rule: 'ignores-case', message: `${quote(text)} takes names that differ in case, which may be those of others` }
}

function plainLikes(text: string, { kind }: Operator, key: string, patterns: Constraint['patterns']): readonly Finding[] {
  if (kind !== 'like') return []
  return patterns
    .filter(({ isGlob }) => !isGlob)
    .map((pattern) => ({
      rule: 'like-without-wildcard',
      at: pattern.at,
      path: pattern.path,
      message: `${quote(text)} for ${quote(pattern.text)}, which has no wildcard: a * that comes into it later goes unnoticed`,
      remedy: `"StringEquals": { ${JSON.stringify(key)}: ${JSON.stringify(pattern.text)} }`,
    }))
}
