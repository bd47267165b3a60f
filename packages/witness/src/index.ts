// SPDX-License-Identifier: Apache-2.0
export { WITNESS_TIMES, type WitnessOutcome, type WitnessTimes } from './client/contract.ts'
export { PolicyCosigner, type PolicyCosignerOptions } from './client/policy-cosigner.ts'
export { Republication, type RepublicationOptions } from './client/republication.ts'
export type { AddAnswer, Fork, RecordFiles } from './server/contract.ts'
export { Witness, type WitnessOptions } from './server/witness.ts'
export { witnessHandler } from './server/witness-handler.ts'
export { readWitnessLogs } from './server/witness-logs.ts'
export { WitnessError, type WitnessErrorCode } from './witness-error.ts'
