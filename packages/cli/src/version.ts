// SPDX-License-Identifier: Apache-2.0

/** A constant, so that asking for it reads no file; a test compares it with package.json. */
export const VERSION = '0.1.0'
