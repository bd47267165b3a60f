// SPDX-License-Identifier: Apache-2.0
export { type ErrorOptions, messageOf, SallyportError } from './errors.ts'
export type { Durable, EventEnvelope, Journal, RunEvent } from './event.ts'
export { ExitCode } from './exit-code.ts'
export { formatDuration, formatSize, parseDurationMs, parseSize } from './units.ts'
