// SPDX-License-Identifier: Apache-2.0
import { chmod, mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { StoreError, writeFileDurably } from '@sallyport/store'
import type { KeyRing } from '../keys/key-ring.ts'
import { DISCOVERY_PATH, discoveryDocument, JWKS_PATH, jwksDocument } from './documents.ts'

export interface ExportedDiscovery {
  readonly files: readonly string[]
  /** When a retired key in them has expired, and they should be written anew; null without one. */
  readonly staleAtS: number | null
}

/** The documents as files for any web server, readable for everybody. @throws StoreError */
export async function exportDiscovery(ring: KeyRing, target: string, nowS: number): Promise<ExportedDiscovery> {
  const documents = { [join(target, DISCOVERY_PATH)]: discoveryDocument(ring), [join(target, JWKS_PATH)]: jwksDocument(ring, nowS) }
  try {
    for (const [path, content] of Object.entries(documents)) {
      await mkdir(dirname(path), { recursive: true, mode: 0o755 })
      await writeFileDurably(path, content)
      await chmod(path, 0o644)
    }
  } catch (error) {
    throw StoreError.from(`Cannot write "${target}"`, error)
  }
  const expiries = ring.keys.flatMap(({ expiresAtS }) => (expiresAtS !== null && expiresAtS > nowS ? [expiresAtS] : []))
  return { files: Object.keys(documents), staleAtS: expiries.length === 0 ? null : Math.max(...expiries) }
}
