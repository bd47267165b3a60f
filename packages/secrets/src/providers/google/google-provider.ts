// SPDX-License-Identifier: Apache-2.0
import type { JobIdentity, ProviderDescription, ProviderPorts, ReadSecret, SecretAddress } from '../../contract.ts'
import { BearerProvider } from '../cloud/bearer-provider.ts'
import type { Call } from '../cloud/call.ts'
import { tokenOf } from '../cloud/cloud-provider.ts'
import type { Lived } from '../cloud/credential.ts'
import { type GoogleSettings, parseGoogleSettings } from './google-settings.ts'
import { accessSecretVersion } from './secret-manager.ts'
import { type GoogleParts, logIn } from './workload-identity.ts'

/** Google Secret Manager. */
export class GoogleProvider extends BearerProvider<GoogleSettings> {
  readonly kind = 'google'

  /** @throws SecretsError PROVIDER_CONFIG_INVALID */
  constructor(description: ProviderDescription, ports: ProviderPorts) {
    super(parseGoogleSettings(description), ports)
  }

  protected override logIn(identity: JobIdentity, parts: GoogleParts): (call: Call) => Promise<Lived<string>> {
    const jobToken = tokenOf(identity, this.name)
    return (call) => logIn(parts, jobToken, call)
  }

  protected override readWith(token: string, address: SecretAddress, parts: GoogleParts, call: Call): Promise<ReadSecret> {
    return accessSecretVersion(address, parts, token, call)
  }
}
