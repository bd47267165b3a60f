// SPDX-License-Identifier: Apache-2.0
import { quote } from '@sallyport/core'
import { readBearer, readToken } from '../cloud/bearer.ts'
import type { BearerParts } from '../cloud/bearer-provider.ts'
import type { Call } from '../cloud/call.ts'
import { type CloudReply, nonsense, type Refusal, readJson, refusalOfStatus } from '../cloud/cloud-client.ts'
import type { Lived } from '../cloud/credential.ts'
import type { GoogleSettings } from './google-settings.ts'

export type GoogleParts = BearerParts<GoogleSettings>

const SCOPE = 'https://www.googleapis.com/auth/cloud-platform'
/** What IAM makes at most, unless an organisation allows more. */
const IMPERSONATION_S_MAX = 3600

/** The job's token for one of Google's: its own, or a service account's. @throws SecretsError */
export async function logIn(parts: GoogleParts, jobToken: string, call: Call): Promise<Lived<string>> {
  const federated = await exchange(parts, jobToken, call)
  const { serviceAccount } = parts.settings
  return serviceAccount === null ? federated : impersonate(parts, { serviceAccount, by: federated.value }, call)
}

/** Token exchange (RFC 8693). https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token */
async function exchange({ settings, client, ports }: GoogleParts, jobToken: string, call: Call): Promise<Lived<string>> {
  const { name, sts, audience, livesOnMs } = settings
  const what = `log in to ${quote(name)}`
  const form = {
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    audience,
    scope: SCOPE,
    requested_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    subject_token: jobToken,
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
  }
  const reply = await client.ask(
    {
      what,
      method: 'POST',
      url: `${sts}/v1/token`,
      headers: () => ({ 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' }),
      body: new TextEncoder().encode(new URLSearchParams(form).toString()),
      isOfValue: false,
      explain: (refused) =>
        explain(refused, "it does not take the job's token", 'Look at the pool: its provider, issuer, audience and attribute condition'),
    },
    call,
  )
  return readBearer(readJson(reply, what), { what, livesOnMs, nowMs: ports.nowMs })
}

/** https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken */
async function impersonate(
  { settings, client, ports }: GoogleParts,
  { serviceAccount, by }: { readonly serviceAccount: string; readonly by: string },
  call: Call,
): Promise<Lived<string>> {
  const { name, iamCredentials, livesOnMs } = settings
  const what = `become ${quote(serviceAccount)} for ${quote(name)}`
  const lifeS = Math.min(Math.floor(livesOnMs / 1000), IMPERSONATION_S_MAX)
  const reply = await client.ask(
    {
      what,
      method: 'POST',
      url: `${iamCredentials}/v1/projects/-/serviceAccounts/${serviceAccount}:generateAccessToken`,
      headers: () => ({ authorization: `Bearer ${by}`, 'content-type': 'application/json', accept: 'application/json' }),
      body: new TextEncoder().encode(JSON.stringify({ scope: [SCOPE], lifetime: `${lifeS}s` })),
      isOfValue: false,
      explain: (refused) =>
        explain(refused, 'we may not become it', 'Grant roles/iam.workloadIdentityUser on it to the principals of the pool'),
    },
    call,
  )
  const { accessToken, expireTime } = readJson(reply, what)
  const endMs = typeof expireTime === 'string' && expireTime.length <= 40 ? Date.parse(expireTime) : Number.NaN
  if (!Number.isFinite(endMs)) throw nonsense(what, 'no end of the token')
  return { value: readToken(accessToken, what), endMs: Math.min(endMs, ports.nowMs() + lifeS * 1000) }
}

function explain({ status }: CloudReply, why: string, hint: string): Refusal {
  return [400, 401, 403, 404].includes(status) ? { code: 'PROVIDER_LOGIN_REFUSED', why, hint } : refusalOfStatus(status)
}
