// SPDX-License-Identifier: Apache-2.0
// Federated identity credentials of an Entra application or a managed identity.
import { quote } from '@sallyport/core'
import type { Constraint, Finding, Grant, Pattern, ReadPolicy } from './contract.ts'
import type { PolicyNode } from './policy-node.ts'

/** One credential, a list of them, or what `az … federated-credential list` or Graph print. */
export function azureCredentials(root: PolicyNode): readonly PolicyNode[] {
  const items = (root.get('value') ?? root).items().map((item) => item.get('properties') ?? item)
  const isCredential = (item: PolicyNode): boolean =>
    item.has('claimsMatchingExpression') || ['subject', 'issuer', 'audiences'].filter((key) => item.has(key)).length > 1
  return items.length > 0 && items.every(isCredential) ? items : []
}

export function readAzureCredentials(credentials: readonly PolicyNode[]): ReadPolicy {
  const read = credentials.map(readCredential)
  return { grants: read.map(({ grant }) => grant), findings: read.flatMap(({ findings }) => findings) }
}

function readCredential(credential: PolicyNode): { readonly grant: Grant; readonly findings: readonly Finding[] } {
  const { at, path } = credential
  const subject = credential.get('subject')
  const audiences = credential.get('audiences')
  const expression = credential.get('claimsMatchingExpression')
  const matching = expression === null ? { constraints: [], findings: [] } : readExpression(expression)
  const constraints: Constraint[] = [
    ...(audiences === null ? [] : [{ claim: 'aud', patterns: audiences.patterns(() => false) }]),
    // Compared as a whole: a * in it is a character, which no subject has.
    ...(subject === null || subject.text === null ? [] : [{ claim: 'sub', patterns: subject.patterns(() => false) }]),
    ...matching.constraints,
  ]
  const write = (claim: string, value: string): string =>
    claim === 'aud'
      ? '"audiences": ["api://AzureADTokenExchange"]'
      : claim === 'sub'
        ? `"subject": ${JSON.stringify(value)}`
        : `claims['${claim}'] eq '${value}'`
  return {
    grant: { at, path, constraints, hasAudience: false, write },
    findings: [...(credential.has('issuer') ? [] : [issuerMissing(credential)]), ...matching.findings],
  }
}

function issuerMissing({ at, path }: PolicyNode): Finding {
  return { rule: 'issuer-missing', at, path, message: 'no issuer is named', remedy: '"issuer": "https://ISSUER"' }
}

interface Matching {
  readonly constraints: readonly Constraint[]
  readonly findings: readonly Finding[]
}

/** `claims['sub'] matches 'repo:acme/app:ref:refs/heads/*' and claims['job_workflow_ref'] eq '…'` */
function readExpression(node: PolicyNode): Matching {
  const value = node.get('value') ?? node
  const { at, path } = value
  const terms = (value.text ?? '')
    .split(/ and (?=claims\[)/)
    .map((term) => /^claims\['(?<claim>\w+)'\] (?<operator>eq|matches) '(?<text>[^']*)'$/.exec(term.trim())?.groups)
  const constraints = terms.flatMap((groups): Constraint[] => {
    const { claim, operator, text } = groups ?? {}
    if (claim === undefined || text === undefined) return []
    const pattern: Pattern = { text, isGlob: operator === 'matches' && /[*?]/.test(text), at, path }
    return [{ claim, patterns: [pattern] }]
  })
  if (constraints.length === terms.length) return { constraints, findings: [] }
  const message = `${quote(value.text ?? '')} is an expression that this check cannot read`
  return { constraints, findings: [{ rule: 'unread', at, path, message, remedy: "write claims['sub'] eq '…', or judge it yourself" }] }
}
