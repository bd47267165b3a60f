// SPDX-License-Identifier: Apache-2.0
import type { OciRuntime } from './oci-driver.ts'

export const RUNC: OciRuntime = { name: 'runc', package: 'runc', knownObstacle: () => null }

export const CRUN: OciRuntime = {
  name: 'crun',
  package: 'crun',
  // crun says so itself ("cgroups in hybrid mode not supported"), after half a second of work.
  knownObstacle: (host) => (host.hybridCgroups ? 'crun does not support hybrid cgroups (v1 controllers beside a v2 mount)' : null),
}
