// SPDX-License-Identifier: Apache-2.0
import { ImagesError } from '../images-error.ts'
import type { Descriptor } from './descriptor.ts'

/** As Go, and so OCI, calls what Node calls x64. */
export const ARCHITECTURE: string =
  { x64: 'amd64', arm: 'arm', arm64: 'arm64', riscv64: 'riscv64', ppc64: 'ppc64le', s390x: 's390x' }[process.arch as string] ?? process.arch

/** The one image of an index that runs on this machine. An index of an index may stand for itself. @throws ImagesError IMAGE_REFUSED */
export function choosePlatform(manifests: readonly Descriptor[]): Descriptor {
  // Attestations lie in indexes as images of no platform.
  const fitting = manifests.filter(({ platform }) => platform['os'] === 'linux' && platform['architecture'] === ARCHITECTURE)
  const plain = manifests.filter(({ platform }) => Object.keys(platform).length === 0)
  const chosen = fitting[0] ?? (manifests.length === 1 ? plain[0] : undefined)
  if (chosen !== undefined) return chosen
  throw ImagesError.refused('architecture', `its index has no image for linux on ${ARCHITECTURE}`)
}
