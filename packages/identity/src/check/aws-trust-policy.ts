// SPDX-License-Identifier: Apache-2.0
// The trust policy of an IAM role: who may call sts:AssumeRoleWithWebIdentity.
import { readAwsCondition } from './aws-condition.ts'
import type { Finding, Grant, ReadPolicy } from './contract.ts'
import type { PolicyNode } from './policy-node.ts'

/** As it is given to IAM, or as `aws iam get-role` prints it. */
export function awsDocument(root: PolicyNode): PolicyNode | null {
  const document = root.get('Role')?.get('AssumeRolePolicyDocument') ?? root.get('AssumeRolePolicyDocument') ?? root
  return document.has('Statement') ? document : null
}

export function readAwsTrustPolicy(document: PolicyNode): ReadPolicy {
  const statements = document.get('Statement')?.items() ?? []
  const read = statements.filter(letsTokensIn).map(readStatement)
  return { grants: read.map(({ grant }) => grant), findings: read.flatMap(({ findings }) => findings) }
}

function letsTokensIn(statement: PolicyNode): boolean {
  const actions =
    statement
      .get('Action')
      ?.items()
      .map(({ text }) => text?.toLowerCase()) ?? []
  const isFederated = statement.get('Principal')?.has('Federated') === true || statement.get('Principal')?.text === '*'
  const takesTokens = actions.some((action) => action === '*' || action === 'sts:*' || action === 'sts:assumerolewithwebidentity')
  return (
    statement.get('Effect')?.text === 'Allow' &&
    (takesTokens || statement.has('NotAction')) &&
    (isFederated || statement.has('NotPrincipal'))
  )
}

interface ReadStatement {
  readonly grant: Grant
  readonly findings: readonly Finding[]
}

function readStatement(statement: PolicyNode): ReadStatement {
  const providers = providersOf(statement)
  const conditions = statement.get('Condition')?.fields() ?? []
  const read = conditions.flatMap(({ key: operator, value }) => value.fields().map((field) => readAwsCondition(operator, field, providers)))
  const [prefix = 'ISSUER'] = providers
  const write = (claim: string, value: string): string =>
    `"StringEquals": { ${JSON.stringify(`${prefix}:${claim}`)}: ${JSON.stringify(value)} }`
  const constraints = read.flatMap(({ constraint }) => (constraint === null ? [] : [constraint]))
  const { at, path } = statement
  return {
    grant: { at, path, constraints, hasAudience: false, write },
    findings: [...(providers.length === 0 ? [issuerMissing(statement)] : []), ...read.flatMap(({ findings }) => findings)],
  }
}

/** Those that it names: issuers without their `https://`. */
function providersOf(statement: PolicyNode): readonly string[] {
  const arns = statement.get('Principal')?.get('Federated')?.items() ?? []
  return arns.flatMap(({ text }) => /^arn:aws[a-z-]*:iam::[^:]*:oidc-provider\/([^*?]+)$/.exec(text ?? '')?.[1] ?? [])
}

function issuerMissing(statement: PolicyNode): Finding {
  const { at, path } = statement.get('Principal') ?? statement
  const message = 'no OpenID Connect provider is named: tokens of every issuer that the account knows are taken'
  return { rule: 'issuer-missing', at, path, message, remedy: '"Federated": "arn:aws:iam::ACCOUNT:oidc-provider/ISSUER"' }
}
