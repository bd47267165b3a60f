// SPDX-License-Identifier: Apache-2.0
export type { Leak, Unsearched } from './contract.ts'
export { KnownValues } from './known-values.ts'
export { LeakSearch } from './search-leaks.ts'
