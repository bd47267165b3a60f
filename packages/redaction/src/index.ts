// SPDX-License-Identifier: Apache-2.0
export type * from './contract.ts'
export { createSecretSet, type SecretSetOptions } from './secret-set.ts'
