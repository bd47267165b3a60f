// SPDX-License-Identifier: Apache-2.0
import type { ProviderDescription, ProviderPorts, SessionRequest } from '../../contract.ts'
import { CloudClient } from '../cloud/cloud-client.ts'
import { CloudProvider, type Standing, tokenOf } from '../cloud/cloud-provider.ts'
import { Credential } from '../cloud/credential.ts'
import { type GoogleSettings, parseGoogleSettings } from './google-settings.ts'
import { accessSecretVersion } from './secret-manager.ts'
import { logIn } from './workload-identity.ts'

/** Google Secret Manager. */
export class GoogleProvider extends CloudProvider {
  readonly kind = 'google'
  readonly #settings: GoogleSettings
  readonly #ports: ProviderPorts

  /** Asks nothing yet. @throws SecretsError PROVIDER_CONFIG_INVALID */
  constructor(description: ProviderDescription, ports: ProviderPorts) {
    const settings = parseGoogleSettings(description)
    super(settings.name, settings.livesOnMs)
    this.#settings = settings
    this.#ports = ports
  }

  protected override stand({ identity }: SessionRequest): Standing {
    const jobToken = tokenOf(identity, this.name)
    const parts = { settings: this.#settings, client: new CloudClient(this.#settings.ca, this.#ports), ports: this.#ports }
    const token = new Credential((call) => logIn(parts, jobToken, call), this.#ports.nowMs)
    return {
      read: (address, call) => token.use(call, (value) => accessSecretVersion(address, parts, value, call)),
      forget: () => token.forget(),
    }
  }
}
