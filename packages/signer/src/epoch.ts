// SPDX-License-Identifier: Apache-2.0
import { parseVerifierKey, type RotatedEpoch } from '@sallyport/audit-log'
import type { EpochMessage } from './contract.ts'

/** As a verifier wants it. */
export function parseEpoch({ verifierKey, firstSize, lastSize, seal, rotation }: EpochMessage): RotatedEpoch {
  const bytes = (text: string | null): Uint8Array | null => (text === null ? null : Buffer.from(text, 'base64'))
  return { key: parseVerifierKey(verifierKey), firstSize, lastSize, seal: bytes(seal), rotation: bytes(rotation) }
}
