// SPDX-License-Identifier: Apache-2.0
/** From large to small; seconds each. */
export const UNITS = Object.freeze([
  ['day', 86400],
  ['hour', 3600],
  ['minute', 60],
  ['second', 1],
])
