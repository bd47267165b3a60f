// SPDX-License-Identifier: Apache-2.0
import { quote } from '@sallyport/core'
import type { ProviderDescription, ProviderPorts, ProviderSession, SecretProvider, SecretRotator, SessionRequest } from '../../contract.ts'
import { isJsonObject } from '../json.ts'
import { BrokerToken } from './broker-token.ts'
import { openChild } from './child-token.ts'
import { openJobLogin } from './job-login.ts'
import { Login } from './login.ts'
import { revokeAccessor } from './revoke.ts'
import { nonsense } from './vault-answer.ts'
import { VaultClient } from './vault-client.ts'
import { VaultRotator } from './vault-rotator.ts'
import { VaultSession } from './vault-session.ts'
import { parseVaultSettings, type VaultSettings } from './vault-settings.ts'

const GIVE_BACK_MS = 5000

/** HashiCorp Vault and OpenBao, which speak the same. */
export class VaultProvider implements SecretProvider {
  readonly name: string
  readonly kind = 'vault'
  readonly ending: SecretProvider['ending']
  readonly rotator: SecretRotator
  readonly #settings: VaultSettings
  readonly #ports: ProviderPorts
  readonly #client: VaultClient
  readonly #login: Login
  readonly #broker: BrokerToken

  /** Asks nothing yet. @throws SecretsError PROVIDER_CONFIG_INVALID */
  constructor(description: ProviderDescription, ports: ProviderPorts) {
    const settings = parseVaultSettings(description)
    this.name = settings.name
    this.ending = endingOf(settings)
    this.#settings = settings
    this.#ports = ports
    this.#client = new VaultClient(settings, ports)
    this.#login = new Login(settings, ports, this.#client)
    this.#broker = new BrokerToken(settings, { ports, client: this.#client, login: this.#login })
    this.rotator = new VaultRotator(settings, this.#broker)
  }

  async openSession(request: SessionRequest, signal: AbortSignal): Promise<ProviderSession> {
    const { nowMs } = this.#ports
    const parts = { settings: this.#settings, client: this.#client, broker: this.#broker, nowMs }
    const { jobLogin } = this.#settings
    const own =
      jobLogin === null
        ? await openChild(parts, request, signal)
        : await openJobLogin({ ...parts, login: this.#login, jobLogin }, request, signal)
    return new VaultSession(parts, own)
  }

  endSession(handle: string, signal: AbortSignal): Promise<void> {
    return revokeAccessor(this.#broker, handle, signal)
  }

  /** By the server, one after the other: the key of the hash never leaves it. */
  async hashMarks(device: string, marks: readonly string[], signal: AbortSignal): Promise<readonly string[]> {
    const what = `ask ${quote(this.name)} for what its audit device ${quote(device)} writes`
    const path = `sys/audit-hash/${encodeURIComponent(device)}`
    const hashes: string[] = []
    for (const input of marks) {
      const { answer } = await this.#broker.ask({ what, method: 'POST', path, body: { input }, isRepeatable: true, signal })
      const data = answer.body['data']
      const hash = isJsonObject(data) ? data['hash'] : null
      if (typeof hash !== 'string' || hash === '') throw nonsense(what, 'no hash')
      hashes.push(hash)
    }
    return hashes
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#broker.giveBack(AbortSignal.timeout(GIVE_BACK_MS))
  }
}

/** What a mount makes without leases is ended by nothing but its time. */
function endingOf({ mounts }: VaultSettings): SecretProvider['ending'] {
  const ttlMs = Math.max(0, ...mounts.map(({ livesOnMs }) => livesOnMs ?? 0))
  return ttlMs === 0 ? { kind: 'revoked' } : { kind: 'expires', ttlMs }
}
