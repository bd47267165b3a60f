// SPDX-License-Identifier: Apache-2.0
import { quote } from '@sallyport/core'
import type { ProviderPorts } from '../../contract.ts'
import type { Call } from '../cloud/call.ts'
import { type CloudClient, nonsense } from '../cloud/cloud-client.ts'
import type { Lived } from '../cloud/credential.ts'
import { explainXml } from './aws-refusal.ts'
import type { AwsSettings } from './aws-settings.ts'
import { elementText } from './element-text.ts'
import { type AwsCredentials, signV4 } from './sign-v4.ts'

export interface AssumedRole {
  readonly role: string
  /** In CloudTrail. */
  readonly sessionName: string
  readonly policy: string
  readonly durationMs: number
}

/** Makes credentials that end by themselves. https://docs.aws.amazon.com/STS/latest/APIReference/ */
export class SecurityTokenService {
  readonly #settings: AwsSettings
  readonly #client: CloudClient
  readonly #nowMs: ProviderPorts['nowMs']

  constructor(settings: AwsSettings, client: CloudClient, nowMs: ProviderPorts['nowMs']) {
    this.#settings = settings
    this.#client = client
    this.#nowMs = nowMs
  }

  /** With a token of our issuer, unsigned: the token is what is shown. @throws SecretsError */
  assumeAsJob(assumed: AssumedRole, token: string, call: Call): Promise<Lived<AwsCredentials>> {
    const form = { Action: 'AssumeRoleWithWebIdentity', ...formOf(assumed), WebIdentityToken: token }
    return this.#ask(form, { assumed, by: null, call })
  }

  /** @throws SecretsError */
  assume(assumed: AssumedRole, externalId: string | null, by: AwsCredentials, call: Call): Promise<Lived<AwsCredentials>> {
    const form = { Action: 'AssumeRole', ...formOf(assumed), ...(externalId !== null && { ExternalId: externalId }) }
    return this.#ask(form, { assumed, by, call })
  }

  async #ask(
    form: Readonly<Record<string, string>>,
    { assumed, by, call }: { assumed: AssumedRole; by: AwsCredentials | null; call: Call },
  ): Promise<Lived<AwsCredentials>> {
    const { name, sts, region } = this.#settings
    const what = `assume the role ${quote(assumed.role)} for ${quote(name)}`
    const body = new TextEncoder().encode(new URLSearchParams(form).toString())
    const headers = { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' }
    const request = { method: 'POST', host: new URL(sts).host, headers, body }
    const sign = (credentials: AwsCredentials): Readonly<Record<string, string>> =>
      signV4(request, { region, service: 'sts', credentials, nowMs: this.#nowMs() })
    const reply = await this.#client.ask(
      {
        what,
        method: 'POST',
        url: `${sts}/`,
        headers: () => ({ ...headers, ...(by !== null && sign(by)) }),
        body,
        isOfValue: false,
        explain: explainXml(this.#nowMs),
      },
      call,
    )
    const xml = new TextDecoder().decode(reply.body)
    reply.body.fill(0)
    return readCredentials(xml, { what, latestMs: this.#nowMs() + assumed.durationMs })
  }
}

function formOf({ role, sessionName, policy, durationMs }: AssumedRole): Readonly<Record<string, string>> {
  return {
    Version: '2011-06-15',
    RoleArn: role,
    RoleSessionName: sessionName,
    DurationSeconds: String(Math.floor(durationMs / 1000)),
    Policy: policy,
  }
}

function readCredentials(xml: string, { what, latestMs }: { what: string; latestMs: number }): Lived<AwsCredentials> {
  const read = (name: string, form: RegExp): string => {
    const text = elementText(xml, name)
    if (text === null || !form.test(text)) throw nonsense(what, `no ${name}`)
    return text
  }
  const accessKeyId = read('AccessKeyId', /^[A-Za-z0-9]{16,128}$/)
  const secretAccessKey = read('SecretAccessKey', /^[A-Za-z0-9+/=]{16,256}$/)
  const sessionToken = read('SessionToken', /^[A-Za-z0-9+/=_-]{16,16384}$/)
  const endMs = Date.parse(read('Expiration', /^[0-9TZ:.+-]{10,40}$/))
  if (!Number.isFinite(endMs)) throw nonsense(what, 'no end of the credentials')
  return { value: { accessKeyId, secretAccessKey, sessionToken }, endMs: Math.min(endMs, latestMs) }
}
