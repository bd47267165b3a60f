// SPDX-License-Identifier: Apache-2.0
export { EMPTY_BASELINE, formatBaseline, parseBaseline } from './baseline.ts'
export type { Finding, SecretDenial, SecretRead, WatchedGrant } from './contract.ts'
export { judgeRun } from './judge-run.ts'
