// SPDX-License-Identifier: Apache-2.0
export type { Publication, PublishOutcome } from './contract.ts'
export { publishArtifact } from './publisher.spawn.ts'
export type { PublisherErrorCode } from './publisher-error.ts'
