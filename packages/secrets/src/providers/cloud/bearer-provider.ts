// SPDX-License-Identifier: Apache-2.0
import type { JobIdentity, ProviderPorts, ReadSecret, SecretAddress, SessionRequest } from '../../contract.ts'
import type { Call } from './call.ts'
import { CloudClient } from './cloud-client.ts'
import { CloudProvider, type Standing } from './cloud-provider.ts'
import { Credential, type Lived } from './credential.ts'

export interface BearerSettings {
  readonly name: string
  /** What a token lives at most; a longer one is refused. */
  readonly livesOnMs: number
  /** A file of authorities in place of the system's; null: the system's. */
  readonly ca: string | null
}

export interface BearerParts<Settings> {
  readonly settings: Settings
  readonly client: CloudClient
  readonly ports: ProviderPorts
}

/** A cloud whose token, once a job has it, reads every secret that the job may read there. (AWS makes credentials for each secret.) */
export abstract class BearerProvider<Settings extends BearerSettings> extends CloudProvider {
  readonly #parts: BearerParts<Settings>

  /** Asks nothing yet. */
  constructor(settings: Settings, ports: ProviderPorts) {
    super(settings.name, settings.livesOnMs)
    this.#parts = { settings, client: new CloudClient(settings.ca, ports), ports }
  }

  /** How this job gets its token; asked when the first secret is read. @throws SecretsError PROVIDER_CONFIG_INVALID for a job that has nothing to show */
  protected abstract logIn(identity: JobIdentity, parts: BearerParts<Settings>): (call: Call) => Promise<Lived<string>>

  /** @throws SecretsError */
  protected abstract readWith(token: string, address: SecretAddress, parts: BearerParts<Settings>, call: Call): Promise<ReadSecret>

  protected override stand({ identity }: SessionRequest): Standing {
    const parts = this.#parts
    const token = new Credential(this.logIn(identity, parts), parts.ports.nowMs)
    return {
      read: (address, call) => token.use(call, (value) => this.readWith(value, address, parts, call)),
      forget: () => token.forget(),
    }
  }
}
