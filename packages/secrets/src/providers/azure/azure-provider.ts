// SPDX-License-Identifier: Apache-2.0
import type { JobIdentity, ProviderDescription, ProviderPorts, ReadSecret, SecretAddress } from '../../contract.ts'
import { BearerProvider } from '../cloud/bearer-provider.ts'
import type { Call } from '../cloud/call.ts'
import { tokenOf } from '../cloud/cloud-provider.ts'
import type { Lived } from '../cloud/credential.ts'
import { type AzureSettings, parseAzureSettings } from './azure-settings.ts'
import { type EntraParts, requestToken } from './entra-token.ts'
import { getSecret } from './key-vault.ts'

/** Azure Key Vault. */
export class AzureProvider extends BearerProvider<AzureSettings> {
  readonly kind = 'azure'

  /** @throws SecretsError PROVIDER_CONFIG_INVALID */
  constructor(description: ProviderDescription, ports: ProviderPorts) {
    super(parseAzureSettings(description), ports)
  }

  protected override logIn(identity: JobIdentity, parts: EntraParts): (call: Call) => Promise<Lived<string>> {
    const assertion = parts.settings.clientSecret === null ? tokenOf(identity, this.name) : null
    return (call) => requestToken(parts, assertion, call)
  }

  protected override readWith(token: string, address: SecretAddress, parts: EntraParts, call: Call): Promise<ReadSecret> {
    return getSecret(address, parts, token, call)
  }
}
