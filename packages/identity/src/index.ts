// SPDX-License-Identifier: Apache-2.0
export { type CheckedPolicy, checkTrustPolicy } from './check/check-policy.ts'
export type { Finding, FindingRule, PolicyKind } from './check/contract.ts'
export type { JobIdentity } from './claims/claims.ts'
export { type Algorithm, LIFETIME_S, type Minted, type MintedFacts, type MintRequest, type TokenMinter } from './contract.ts'
export { type DiscoveryOptions, discoveryHandler } from './discovery/discovery-handler.ts'
export { type ExportedDiscovery, exportDiscovery } from './discovery/export-discovery.ts'
export type {
  AudienceGrant,
  GateDelivery,
  RefusalReason,
  StepGrant,
  StepTokens,
  TokenEndpointOptions,
  TokenRequest,
  TokenResponse,
} from './endpoint/contract.ts'
export { TokenEndpoint } from './endpoint/token-endpoint.ts'
export { identityDirectory } from './identity-directory.ts'
export { IdentityError, type IdentityErrorCode } from './identity-error.ts'
export type { KeyRing, RingKey } from './keys/key-ring.ts'
export { readRing } from './keys/ring-file.ts'
export type { MinterClient } from './minter/client.ts'
export { startMinter } from './minter.spawn.ts'
