// SPDX-License-Identifier: Apache-2.0
export { createAgent } from './agent.ts'
export { AgentError, type AgentErrorCode } from './agent-error.ts'
export type * from './contract.ts'
