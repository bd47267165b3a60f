// SPDX-License-Identifier: Apache-2.0
export { parse } from './parse.js'
export { toWords } from './to-words.js'
