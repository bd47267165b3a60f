// SPDX-License-Identifier: Apache-2.0

export type * from './access/contract.ts'
export { createAgent } from './agent.ts'
export { AgentError, type AgentErrorCode } from './agent-error.ts'
export { type AuditPlaces, auditPlaces } from './audit/audit-places.ts'
export type * from './audit/contract.ts'
export type * from './audit/retention-contract.ts'
export type * from './contract.ts'
export type * from './images/contract.ts'
export type * from './secrets/contract.ts'
