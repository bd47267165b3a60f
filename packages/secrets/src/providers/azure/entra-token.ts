// SPDX-License-Identifier: Apache-2.0
import { quote } from '@sallyport/core'
import { readBearer } from '../cloud/bearer.ts'
import type { BearerParts } from '../cloud/bearer-provider.ts'
import type { Call } from '../cloud/call.ts'
import { type CloudReply, parseObject, type Refusal, readJson, refusalOfStatus } from '../cloud/cloud-client.ts'
import { readCredentialLine } from '../cloud/cloud-settings.ts'
import type { Lived } from '../cloud/credential.ts'
import type { AzureSettings } from './azure-settings.ts'

export type EntraParts = BearerParts<AzureSettings>

/**
 * The client credentials grant of Entra ID. `assertion`: the job's own token; null: the operator's client secret.
 * https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
 * @throws SecretsError
 */
export async function requestToken({ settings, client, ports }: EntraParts, assertion: string | null, call: Call): Promise<Lived<string>> {
  const { name, login, tenant, clientId, clientSecret, scope, livesOnMs } = settings
  const what = `log in to ${quote(name)}`
  const form = {
    grant_type: 'client_credentials',
    client_id: clientId,
    scope,
    ...(assertion === null
      ? { client_secret: await readCredentialLine(ports, clientSecret ?? '') }
      : { client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer', client_assertion: assertion }),
  }
  const reply = await client.ask(
    {
      what,
      method: 'POST',
      url: `${login}/${tenant}/oauth2/v2.0/token`,
      headers: () => ({ 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' }),
      body: new TextEncoder().encode(new URLSearchParams(form).toString()),
      isOfValue: false,
      explain: explainLogin,
    },
    call,
  )
  return readBearer(readJson(reply, what), { what, livesOnMs, nowMs: ports.nowMs })
}

/** https://learn.microsoft.com/entra/identity-platform/reference-error-codes */
const HINTS: Readonly<Record<number, string>> = {
  70021: 'No federated credential of the application has the issuer, subject and audience of this token',
  700211: "The application's federated credential is of another issuer",
  700212: "The application's federated credential is of another audience",
  700213: "The application's federated credential is of another subject",
  700016: 'There is no such application in this tenant: look at client-id and tenant',
  700024: "The job's token is not valid now: it has expired, or our clock differs",
  7000215: 'The client secret is wrong',
  7000222: 'The client secret has expired: make a new one, or better, let jobs log in with job-token',
  90002: 'There is no such tenant',
  50013: "The job's token is not signed by a key that our issuer publishes",
}

/** Which of them is a number, so that it may be told. */
function explainLogin({ status, body }: CloudReply): Refusal {
  const parsed = parseObject(body)
  const codes = parsed?.['error_codes']
  const code = Array.isArray(codes) && Number.isSafeInteger(codes[0]) ? (codes[0] as number) : null
  if (code === 90055 || status === 429) return refusalOfStatus(429)
  if (status !== 400 && status !== 401 && status !== 403) return refusalOfStatus(status)
  const hint = code !== null && Object.hasOwn(HINTS, code) ? HINTS[code] : undefined
  return {
    code: 'PROVIDER_LOGIN_REFUSED',
    why: code === null ? 'it is refused' : `it is refused with AADSTS${code}`,
    hint: hint ?? 'Look at tenant, client-id, and the federated credentials of the application',
  }
}
