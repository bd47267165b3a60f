// SPDX-License-Identifier: Apache-2.0
import { readYamlTree } from '@sallyport/access'
import { formatProblem, ProblemList } from '@sallyport/core'
import { IdentityError } from '../identity-error.ts'
import { awsDocument, readAwsTrustPolicy } from './aws-trust-policy.ts'
import { azureCredentials, readAzureCredentials } from './azure-credential.ts'
import type { Finding, PolicyKind, ReadPolicy } from './contract.ts'
import { googleProvider, readGoogleProvider } from './google-provider.ts'
import { judgeGrant } from './judge-grant.ts'
import { PolicyNode } from './policy-node.ts'
import { readVaultRole, vaultRole } from './vault-role.ts'

export interface CheckedPolicy {
  readonly kind: PolicyKind
  /** In the order of the file. */
  readonly findings: readonly Finding[]
}

/**
 * What a trust policy (JSON, or the same as YAML) lets in that it should not. `file` is for messages only.
 * @throws IdentityError TRUST_POLICY_INVALID for what is none.
 */
export async function checkTrustPolicy(file: string, text: string): Promise<CheckedPolicy> {
  const problems = new ProblemList()
  const tree = await readYamlTree(file, text, problems)
  if (tree === null) throw invalid(problems.sorted().map(formatProblem))
  const { kind, policy } = readPolicy(new PolicyNode(tree)) ?? {}
  if (kind === undefined || policy === undefined) throw invalid([`${file}:1:1: it is none of the trust policies that this check knows`])
  const findings = [...policy.findings, ...policy.grants.flatMap(judgeGrant)]
  return { kind, findings: findings.toSorted((a, b) => a.at.line - b.at.line || a.at.column - b.at.column) }
}

function readPolicy(root: PolicyNode): { readonly kind: PolicyKind; readonly policy: ReadPolicy } | null {
  const aws = awsDocument(root)
  if (aws !== null) return { kind: 'aws', policy: readAwsTrustPolicy(aws) }
  const azure = azureCredentials(root)
  if (azure.length > 0) return { kind: 'azure', policy: readAzureCredentials(azure) }
  const google = googleProvider(root)
  if (google !== null) return { kind: 'google', policy: readGoogleProvider(google) }
  const vault = vaultRole(root)
  return vault === null ? null : { kind: 'vault', policy: readVaultRole(vault) }
}

function invalid(problems: readonly string[]): IdentityError {
  return new IdentityError('TRUST_POLICY_INVALID', problems[0] ?? '', {
    hint: 'Give the trust policy of an AWS role, a federated credential of Azure, a provider of a Google workload identity pool, or a JWT role of Vault or OpenBao',
    details: { problems },
  })
}
