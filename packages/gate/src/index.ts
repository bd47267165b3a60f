// SPDX-License-Identifier: Apache-2.0
// What the supervisor uses. Nothing here parses what a job sends: that is the gate's own process (main.ts).
export { type Reach, reachOf } from './address/reach.ts'
export { GateClient, type GateHandlers, type StepTraffic } from './client.ts'
export type {
  AlertKind,
  AwsKey,
  FromGate,
  GateConfig,
  GateLimits,
  Signing,
  StepDoors,
  Substitution,
  ToGate,
  TokenAnswer,
  TokenQuestion,
} from './contract.ts'
export { GATE_DESCRIPTORS } from './contract.ts'
export { GateError, type GateErrorCode } from './gate-error.ts'
export { type GateProgram, gateProgram } from './program.ts'
