// SPDX-License-Identifier: Apache-2.0
export { type ErrorOptions, messageOf, SallyportError } from './errors.ts'
export type { Durable, EventEnvelope, Journal, RunEvent } from './event.ts'
export { ExitCode } from './exit-code.ts'
export { JOB_NETWORK, relayAddress, stepSource } from './job-network.ts'
export { formatDuration, formatSize, parseDurationMs, parseSize } from './units.ts'
