// SPDX-License-Identifier: Apache-2.0
export type * from './contract.ts'
export { SANDBOX_PATHS } from './contract.ts'
