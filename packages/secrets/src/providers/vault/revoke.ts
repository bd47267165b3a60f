// SPDX-License-Identifier: Apache-2.0
import type { ProviderLease } from '../../contract.ts'
import { SecretsError } from '../../secrets-error.ts'
import type { BrokerToken } from './broker-token.ts'
import { VaultRefusal } from './vault-client.ts'

/**
 * Ends one lease, and waits until what it stands for is gone. One that the server does not know has ended.
 * @throws SecretsError LEASE_NOT_REVOKED
 */
export async function revokeLease(broker: BrokerToken, lease: ProviderLease, signal: AbortSignal): Promise<void> {
  // What has no lease lives until its own end
  if (lease.id === '') throw leaseNotRevoked([lease])
  const body = { lease_id: lease.id, sync: true }
  try {
    await broker.ask({ what: 'revoke a lease', method: 'POST', path: 'sys/leases/revoke', body, isRepeatable: true, signal })
  } catch (error) {
    if (error instanceof VaultRefusal && error.says(/lease not found|invalid lease/i)) return
    signal.throwIfAborted()
    throw leaseNotRevoked([lease], error)
  }
}

/** Ends a token, its children, and all that they made. One that the server does not know has ended. @throws SecretsError */
export async function revokeAccessor(broker: BrokerToken, accessor: string, signal: AbortSignal): Promise<void> {
  const what = 'end a session'
  try {
    await broker.ask({ what, method: 'POST', path: 'auth/token/revoke-accessor', body: { accessor }, isRepeatable: true, signal })
  } catch (error) {
    if (error instanceof VaultRefusal && error.says(/invalid accessor|token not found/i)) return
    throw error
  }
}

export function leaseNotRevoked(leases: readonly ProviderLease[], cause?: unknown): SecretsError {
  const until = new Date(Math.max(...leases.map(({ expiresAtMs }) => expiresAtMs))).toISOString()
  const [what, live] = leases.length === 1 ? ['a lease', 'it lives'] : [`${leases.length} leases`, 'they live']
  return new SecretsError('LEASE_NOT_REVOKED', `Cannot revoke ${what}: ${live} until ${until} at the latest`, {
    cause,
    details: { until },
  })
}
