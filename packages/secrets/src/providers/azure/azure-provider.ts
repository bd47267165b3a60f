// SPDX-License-Identifier: Apache-2.0
import type { ProviderDescription, ProviderPorts, SessionRequest } from '../../contract.ts'
import { CloudClient } from '../cloud/cloud-client.ts'
import { CloudProvider, type Standing, tokenOf } from '../cloud/cloud-provider.ts'
import { Credential } from '../cloud/credential.ts'
import { type AzureSettings, parseAzureSettings } from './azure-settings.ts'
import { requestToken } from './entra-token.ts'
import { getSecret } from './key-vault.ts'

/** Azure Key Vault. */
export class AzureProvider extends CloudProvider {
  readonly kind = 'azure'
  readonly #settings: AzureSettings
  readonly #ports: ProviderPorts

  /** Asks nothing yet. @throws SecretsError PROVIDER_CONFIG_INVALID */
  constructor(description: ProviderDescription, ports: ProviderPorts) {
    const settings = parseAzureSettings(description)
    super(settings.name, settings.livesOnMs)
    this.#settings = settings
    this.#ports = ports
  }

  protected override stand({ identity }: SessionRequest): Standing {
    const assertion = this.#settings.clientSecret === null ? tokenOf(identity, this.name) : null
    const parts = { settings: this.#settings, client: new CloudClient(this.#settings.ca, this.#ports), ports: this.#ports }
    const token = new Credential((call) => requestToken(parts, assertion, call), this.#ports.nowMs)
    return {
      read: (address, call) => token.use(call, (value) => getSecret(address, parts, value, call)),
      forget: () => token.forget(),
    }
  }
}
