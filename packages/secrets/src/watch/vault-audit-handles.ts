// SPDX-License-Identifier: Apache-2.0
import type { ProviderDescription, ProviderPorts } from '../contract.ts'
import { isJsonObject } from '../providers/json.ts'
import { BrokerToken } from '../providers/vault/broker-token.ts'
import { Login } from '../providers/vault/login.ts'
import { nonsense } from '../providers/vault/vault-answer.ts'
import { VaultClient } from '../providers/vault/vault-client.ts'
import { parseVaultSettings } from '../providers/vault/vault-settings.ts'

export interface AuditDevice {
  /** E.g. `main`. */
  readonly name: string
  /** It writes accessors as they are. */
  readonly showsAccessors: boolean
}

/**
 * Handles of sessions, by what an audit device writes for them. The key of its hash never leaves the server, which is asked for each one.
 * @throws SecretsError
 */
export async function auditHandles(
  description: ProviderDescription,
  ports: ProviderPorts,
  { device, handles, signal }: { device: AuditDevice; handles: Iterable<string>; signal: AbortSignal },
): Promise<ReadonlyMap<string, string>> {
  if (device.showsAccessors) return new Map([...handles].map((handle) => [handle, handle]))
  const settings = parseVaultSettings(description)
  const client = new VaultClient(settings, ports)
  const broker = new BrokerToken(settings, { ports, client, login: new Login(settings, ports, client) })
  const found = new Map<string, string>()
  try {
    for (const handle of handles) found.set(await hashOf(broker, { device, handle, signal }), handle)
  } finally {
    await broker.giveBack(AbortSignal.timeout(5000))
  }
  return found
}

async function hashOf(
  broker: BrokerToken,
  { device, handle, signal }: { device: AuditDevice; handle: string; signal: AbortSignal },
): Promise<string> {
  const what = 'hash a handle as an audit device does'
  const path = `sys/audit-hash/${encodeURIComponent(device.name)}`
  const { answer } = await broker.ask({ what, method: 'POST', path, body: { input: handle }, isRepeatable: true, signal })
  const data = answer.body['data']
  const hash = isJsonObject(data) ? data['hash'] : null
  if (typeof hash !== 'string' || hash === '') throw nonsense(what, 'no hash')
  return hash
}
