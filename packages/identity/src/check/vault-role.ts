// SPDX-License-Identifier: Apache-2.0
// A role of the JWT auth method of Vault and OpenBao.
import type { Constraint, Grant, ReadPolicy } from './contract.ts'
import type { PolicyNode } from './policy-node.ts'

const KEYS: readonly string[] = ['bound_claims', 'bound_subject', 'bound_audiences', 'role_type', 'user_claim']

/** As it is written, or as `read -format=json` prints it. */
export function vaultRole(root: PolicyNode): PolicyNode | null {
  const role = root.get('data') ?? root
  return KEYS.some((key) => role.has(key)) ? role : null
}

export function readVaultRole(role: PolicyNode): ReadPolicy {
  const takesGlobs = role.get('bound_claims_type')?.text === 'glob'
  const isGlob = (text: string): boolean => takesGlobs && text.includes('*')
  const audiences = role.get('bound_audiences')
  const subject = role.get('bound_subject')
  const constraints: Constraint[] = [
    ...constraint('aud', audiences, () => false),
    ...constraint('sub', subject, () => false),
    ...(role.get('bound_claims')?.fields() ?? []).flatMap(({ key, value }) => constraint(key.replace(/^\//, ''), value, isGlob)),
  ]
  const write = (claim: string, value: string): string =>
    claim === 'aud'
      ? `"bound_audiences": [${JSON.stringify(value)}]`
      : `"bound_claims": { ${JSON.stringify(claim)}: ${JSON.stringify(value)} }`
  const { at, path } = role
  const grant: Grant = { at, path, constraints, hasAudience: false, write }
  return { grants: [grant], findings: [] }
}

/** An empty text, or an empty list, binds nothing: that is how both print what was not set. */
function constraint(claim: string, node: PolicyNode | null, isGlob: (text: string) => boolean): readonly Constraint[] {
  const patterns = (node?.patterns(isGlob) ?? []).filter(({ text }) => text !== '' && text !== 'null')
  return patterns.length === 0 ? [] : [{ claim, patterns }]
}
