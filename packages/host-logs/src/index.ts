// SPDX-License-Identifier: Apache-2.0
export { type Attribution, attribute, type WatchedJob } from './attribution.ts'
export { HOST_LOG_NAMES, type HostCounts, type HostItem, type HostLog, type HostLogName, type HostRecord } from './contract.ts'
export { type OpenedHostLog, openHostLog } from './open-host-log.ts'
