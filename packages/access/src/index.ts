// SPDX-License-Identifier: Apache-2.0
export type * from './contract.ts'
export { decideConnection, decideName, decideRequest, narrowToProtocol } from './decide.ts'
export { formatName, matchesName } from './host-pattern.ts'
export {
  embeddedIpv4,
  formatAddress,
  formatNetwork,
  type IpAddress,
  type IpNetwork,
  networkContains,
  parseAddress,
  parseNetwork,
} from './ip-address.ts'
export { type NormalPathResult, normalisePath } from './normal-path.ts'
export { formatRequest, formatTarget } from './refuse.ts'
