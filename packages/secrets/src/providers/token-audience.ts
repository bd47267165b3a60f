// SPDX-License-Identifier: Apache-2.0
import type { ProviderDescription } from '../contract.ts'

/** What each cloud takes a token of an issuer of ours for, where nobody says otherwise. */
const USUAL: Readonly<Record<string, (auth: Readonly<Record<string, unknown>>) => string | null>> = {
  // AssumeRoleWithWebIdentity: the client ID of the identity provider in IAM.
  aws: () => 'sts.amazonaws.com',
  azure: () => 'api://AzureADTokenExchange',
  // Of a workload identity pool without allowed audiences: the provider's own name.
  google: ({ audience }) => (typeof audience === 'string' ? `https:${audience}` : null),
}

/**
 * The audience of the token by which a provider knows a job; null: it is told nothing of who a job is.
 *
 * Not checked: `openProvider` says what is wrong with the settings.
 */
export function tokenAudienceOf({ kind, settings }: Pick<ProviderDescription, 'settings'> & { readonly kind: string }): string | null {
  const { audience, auth } = settings
  const login: Readonly<Record<string, unknown>> =
    typeof auth === 'object' && !Array.isArray(auth) ? (auth as Readonly<Record<string, unknown>>) : {}
  const usual = login['method'] === 'job-token' ? (USUAL[kind]?.(login) ?? null) : null
  if (typeof audience !== 'string') return usual
  return kind === 'vault' || usual !== null ? audience : null
}
