// SPDX-License-Identifier: Apache-2.0
import { formatVerifierKey, type KeyEpoch } from '@sallyport/audit-log'
import type { AuditPlace } from './contract.ts'
import { keysOf, locateLog, parseTrustedKey } from './located-log.ts'
import type { LogKeyList } from './retention-contract.ts'

/** As its signer has noted them, or as the key that is named leads to them. @throws AgentError AUDIT_LOG_NOT_FOUND, AUDIT_KEY_UNKNOWN, AUDIT_KEY_INVALID */
export async function listKeys(place: AuditPlace): Promise<LogKeyList> {
  const log = await locateLog(place)
  const trusted = place.key === null ? [] : [parseTrustedKey(place.key)]
  const { origin, epochs, problem } = await keysOf({ ...log, published: log.source }, trusted)
  return { origin, keys: epochs.map(listed), next: log.isOwn ? (log.signer?.next ?? null) : null, problem }
}

function listed({ key, firstSize, lastSize }: KeyEpoch): LogKeyList['keys'][number] {
  return { key: formatVerifierKey(key), firstSize, lastSize }
}
