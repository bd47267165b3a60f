// SPDX-License-Identifier: Apache-2.0
export { type ErrorOptions, messageOf, SallyportError } from './errors.ts'
export type { Durable, EventEnvelope, Journal, RunEvent } from './event.ts'
export { ExitCode } from './exit-code.ts'
export { JOB_NETWORK, relayAddress, stepSource } from './job-network.ts'
export { LIMIT_RULES, type LimitName, type LimitRule, parseLimit } from './limits.ts'
export { formatProblem, type Problem, ProblemList, type SourcePosition } from './problem.ts'
export { formatDuration, formatSize, parseDurationMs, parseSize } from './units.ts'
export { nearest, printable, quote, suggest } from './wording.ts'
