// SPDX-License-Identifier: Apache-2.0

export { BROKER_JOB } from './broker/answer-rotation.ts'
export type { Ended } from './broker/broker.ts'
export { BrokerClient, type BrokerObserver, type Read } from './broker/client.ts'
export { listNotedSessions } from './broker/lease-journal.ts'
export type { AddressAt, BrokerConfig, BrokerEvent, Unrevoked } from './broker/messages.ts'
export { startBroker } from './broker.spawn.ts'
export {
  type JobFacts,
  type JobIdentity,
  PROVIDER_TIMEOUT_MS,
  type ProviderDescription,
  type ProviderKind,
  type ProviderLease,
  type ProviderPorts,
  type ProviderSession,
  type ReadSecret,
  SECRET_BYTES_MAX,
  type SecretAddress,
  type SecretProvider,
  type SessionRequest,
  type SettingsTree,
} from './contract.ts'
export {
  createEmbeddedStore,
  describeCopy,
  type EmbeddedStore,
  openEmbeddedStore,
  restoreStore,
  type StoredCopy,
} from './embedded/embedded-store.ts'
export { GENERATE_MAX, GENERATE_MIN, generateValue } from './embedded/generate-value.ts'
export { ownIdentityKind, type Unlock } from './embedded/identity.ts'
export { abandonRotation, type Rotated, type RotationPorts, rotateSecret } from './embedded/rotate.ts'
export { type HookCall, type HookResult, runHook } from './embedded/rotation-hook.spawn.ts'
export type { WrittenStore } from './embedded/seen.ts'
export { withoutSecret, withoutVersion, withSchedule, withVersion } from './embedded/store-changes.ts'
export {
  type Fields,
  findField,
  findSecret,
  findVersion,
  isFieldName,
  isSecretName,
  ONLY_FIELD,
  type RotationRecipe,
  type StoreContent,
  type StoredSecret,
  type StoredVersion,
} from './embedded/store-content.ts'
export { embeddedStoreDirectory, storePlaces } from './embedded/store-places.ts'
export { protectProcess } from './protect-process.ts'
export { openProvider } from './providers/registry.ts'
export { tokenAudienceOf } from './providers/token-audience.ts'
export { abandonAtManager, isRotationPending, type RotatedAtManager, rotateAtManager, titleOf } from './rotation/manager-rotation.ts'
export { SecretsError, type SecretsErrorCode } from './secrets-error.ts'
export {
  ManagerAudit,
  type ManagerAuditCounts,
  type ManagerFinding,
  type ManagerFindingRule,
  type OwnJob,
  type OwnRead,
} from './watch/manager-audit.ts'
export { type ManagerEntry, type ManagerLog, type ManagerLogReader, type ManagerRead, managerLogOf } from './watch/manager-log.ts'
