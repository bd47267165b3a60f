// SPDX-License-Identifier: Apache-2.0
import { quote } from '@sallyport/core'
import type {
  JobIdentity,
  ProviderDescription,
  ProviderPorts,
  ReadSecret,
  SecretAddress,
  SecretRotator,
  SessionRequest,
} from '../../contract.ts'
import { SecretsError } from '../../secrets-error.ts'
import type { Call } from '../cloud/call.ts'
import { CloudClient } from '../cloud/cloud-client.ts'
import { CloudProvider, type Standing, tokenOf } from '../cloud/cloud-provider.ts'
import { Credential, type Lived } from '../cloud/credential.ts'
import { AwsRotator } from './aws-rotator.ts'
import { type AwsAuth, type AwsSettings, parseAwsSettings } from './aws-settings.ts'
import { readCredentialsFile } from './credentials-file.ts'
import { getSecretValue } from './secrets-manager.ts'
import { type AssumedRole, SecurityTokenService } from './security-token-service.ts'
import { chainPolicy, rotationPolicy, type SecretName, secretNameOf, sessionPolicy } from './session-policy.ts'
import type { AwsCredentials } from './sign-v4.ts'

/** The least that STS makes. */
const DURATION_MS_MIN = 900_000

/** AWS Secrets Manager. */
export class AwsProvider extends CloudProvider {
  readonly kind = 'aws'
  readonly rotator: SecretRotator
  readonly #settings: AwsSettings
  readonly #ports: ProviderPorts

  /** Asks nothing yet. @throws SecretsError PROVIDER_CONFIG_INVALID */
  constructor(description: ProviderDescription, ports: ProviderPorts) {
    const settings = parseAwsSettings(description)
    super(settings.name, settings.sessionMs)
    this.#settings = settings
    this.#ports = ports
    const login = { token: null, durationMs: DURATION_MS_MIN, sessionName: 'sallyport-rotate', mark: undefined }
    const client = new CloudClient(settings.ca, ports)
    const assume = (secret: SecretName, call: Call): Promise<Lived<AwsCredentials>> =>
      new AwsStanding(settings, ports, login).assume(secret, rotationPolicy(secret, settings), call)
    this.rotator = new AwsRotator({ settings, client, nowMs: ports.nowMs }, assume)
  }

  protected override stand({ identity, ttlMs, mark }: SessionRequest): Standing {
    const token = this.#settings.auth.method === 'job-token' ? tokenOf(identity, this.name) : null
    const durationMs = Math.max(DURATION_MS_MIN, Math.min(this.#settings.sessionMs, ttlMs))
    return new AwsStanding(this.#settings, this.#ports, { token, durationMs, sessionName: sessionNameOf(identity), mark })
  }
}

interface JobLogin {
  readonly token: string | null
  readonly durationMs: number
  readonly sessionName: string
  readonly mark: SessionRequest['mark']
}

/** For each secret credentials of their own, which read no other. */
class AwsStanding implements Standing {
  readonly #settings: AwsSettings
  readonly #ports: ProviderPorts
  readonly #login: JobLogin
  readonly #client: CloudClient
  readonly #sts: SecurityTokenService
  /** By path: those that grants name. */
  readonly #credentials = new Map<string, Credential<AwsCredentials>>()

  constructor(settings: AwsSettings, ports: ProviderPorts, login: JobLogin) {
    this.#settings = settings
    this.#ports = ports
    this.#login = login
    this.#client = new CloudClient(settings.ca, ports)
    this.#sts = new SecurityTokenService(settings, this.#client, ports.nowMs)
  }

  async read(address: SecretAddress, call: Call): Promise<ReadSecret> {
    const secret = secretNameOf(address)
    const parts = { settings: this.#settings, client: this.#client, nowMs: this.#ports.nowMs }
    return this.#credentialFor(secret).use(call, (credentials) => getSecretValue(address, parts, credentials, call))
  }

  forget(): void {
    for (const credential of this.#credentials.values()) credential.forget()
    this.#credentials.clear()
  }

  #credentialFor(secret: SecretName): Credential<AwsCredentials> {
    const known = this.#credentials.get(secret.path)
    if (known !== undefined) return known
    const policy = sessionPolicy(secret, this.#settings)
    const credential = new Credential((call) => this.assume(secret, policy, call), this.#ports.nowMs)
    this.#credentials.set(secret.path, credential)
    return credential
  }

  /** @throws SecretsError */
  async assume(secret: SecretName, policy: string, call: Call): Promise<Lived<AwsCredentials>> {
    this.#assertRegion(secret)
    const { auth } = this.#settings
    const { token, sessionName, durationMs, mark } = this.#login
    const assumed = { role: auth.role, sessionName, durationMs, policy }
    const made =
      auth.method === 'credentials-file' ? await this.#chain(auth, assumed, call) : await this.#sts.assumeAsJob(assumed, token ?? '', call)
    mark?.(made.value.accessKeyId)
    return made
  }

  async #chain(
    { credentials, profile, via, externalId }: Extract<AwsAuth, { method: 'credentials-file' }>,
    last: AssumedRole,
    call: Call,
  ): Promise<Lived<AwsCredentials>> {
    let by = await readCredentialsFile(this.#ports, credentials, profile)
    for (const [index, role] of via.entries()) {
      const step = { role, sessionName: last.sessionName, durationMs: DURATION_MS_MIN, policy: chainPolicy(via[index + 1] ?? last.role) }
      by = (await this.#sts.assume(step, null, by, call)).value
    }
    return this.#sts.assume(last, externalId, by, call)
  }

  #assertRegion({ path, region }: SecretName): void {
    if (region === null || region === this.#settings.region) return
    throw new SecretsError(
      'PROVIDER_CONFIG_INVALID',
      `Cannot read ${quote(path)}: it is in another region than ${quote(this.#settings.region)}`,
      {
        hint: `Name a provider of the region ${region}`,
      },
    )
  }
}

/** Of the characters and the length that STS takes. */
function sessionNameOf({ run, job }: JobIdentity): string {
  return `sallyport-${run}-${job}`.replaceAll(/[^A-Za-z0-9_=,.@-]/g, '-').slice(0, 64)
}
