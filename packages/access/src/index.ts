// SPDX-License-Identifier: Apache-2.0
export { AccessError, type AccessErrorCode } from './access-error.ts'
export { type AccessFile, type AccessJob, type AccessStep, parseAccessFile } from './access-file.ts'
export type { AccessLimits } from './access-limits.ts'
export { canonicalAsk } from './canonical-ask.ts'
export type * from './contract.ts'
export { decideConnection, decideName, decideRequest, dependsOnRequests, narrowToProtocol } from './decide.ts'
export { decideIdentity, type IdentityQuestion } from './decide-identity.ts'
export { decidePublish } from './decide-publish.ts'
export { decideSecret, isNamedByCeiling, type SecretQuestion } from './decide-secret.ts'
export { type Ask, asksOf, formatRule } from './describe.ts'
export { formatPublishTarget } from './describe-publish.ts'
export { type EgressEntry, PRESET_NAMES, type PresetName, type PresetRequest } from './egress-entry.ts'
export { type Explanation, explainConnection, explainRequest } from './explain.ts'
export { isGraphqlRequest } from './graphql-path.ts'
export { formatName, matchesName } from './host-pattern.ts'
export { type AudienceGrant, type IdentityDecision, type IdentityGrant, isAudience, type OperatorIdentity } from './identity-contract.ts'
export { allowsImage, isRegistryImage, OPERATOR_IMAGES_DEFAULT, type OperatorImages } from './image-syntax.ts'
export {
  embeddedIpv4,
  formatAddress,
  formatNetwork,
  type IpAddress,
  type IpNetwork,
  networkContains,
  parseAddress,
  parseNetwork,
} from './ip-address.ts'
export { learn } from './learn.ts'
export { keepPath, type NormalPathResult, normalisePath } from './normal-path.ts'
export { HOST_LOGS_DEFAULT, type HostLogNeeds, type OperatorEgress, type OperatorFile, parseOperatorFile } from './operator-file.ts'
export { PUBLISH_DEFAULT } from './operator-publish.ts'
export type { RotationEntry } from './operator-rotation.ts'
export {
  type Expanded,
  expandOperatorPresets,
  expandPresets,
  type PresetEndpoint,
  type PresetHosts,
  presetsIn,
  presetsOf,
  type ResolvedPresets,
} from './presets.ts'
export type { PublishDecision, PublishEntry } from './publish-contract.ts'
export type { Recording } from './recording.ts'
export { formatRequest, formatTarget } from './refuse.ts'
export { type MissingAccess, type Replay, replay } from './replay.ts'
export { ceilingSet, effectiveTerminates, type RequestOptions, requestSet, terminatingSet } from './rule-sets.ts'
export { parseRule } from './rule-syntax.ts'
export * from './secret-contract.ts'
export { vainNotices } from './vain-notices.ts'
export { readYamlTree, type YamlEntry, type YamlNode } from './yaml-tree.ts'
