// SPDX-License-Identifier: Apache-2.0
export { VERSION } from './version.ts'
