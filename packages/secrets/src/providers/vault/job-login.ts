// SPDX-License-Identifier: Apache-2.0
import { quote } from '@sallyport/core'
import type { SessionRequest } from '../../contract.ts'
import { SecretsError } from '../../secrets-error.ts'
import { LivingToken } from './living-token.ts'
import type { Login } from './login.ts'
import { noteOrEnd } from './note-or-end.ts'
import { revokeAccessor } from './revoke.ts'
import type { SessionParts, SessionToken } from './vault-session.ts'

export interface JobLoginParts extends SessionParts {
  readonly login: Login
  readonly jobLogin: { readonly mount: string; readonly role: string }
}

/**
 * The job logs in as itself, so that the server's own rules on its claims decide what it may read. Its token is short, and renewed while the job lasts.
 * @throws SecretsError
 */
export async function openJobLogin(parts: JobLoginParts, request: SessionRequest, signal: AbortSignal): Promise<SessionToken> {
  const { settings, client, nowMs, login, jobLogin, broker } = parts
  const { token: jwt } = request.identity
  if (jwt === null)
    throw new SecretsError('PROVIDER_CONFIG_INVALID', `Cannot log a job in to ${quote(settings.name)}: it has no token of the issuer`, {
      hint: 'Add audience: https://… to the provider, which the role’s bound_audiences names, so that jobs get a token for it',
    })
  const startMs = nowMs()
  const made = await login.job(jobLogin, jwt, signal)
  await noteOrEnd(parts, made.accessor, request)
  if (made.ttlMs === null || made.ttlMs > request.ttlMs) {
    await revokeAccessor(broker, made.accessor, signal)
    throw new SecretsError('PROVIDER_CONFIG_INVALID', `Cannot log a job in to ${quote(settings.name)}: its token could outlive the job`, {
      hint: `Set a short token_ttl on the role ${quote(jobLogin.role)}, e.g. 5m: it is renewed while the job lasts`,
    })
  }
  const living = new LivingToken(made, client, nowMs)
  const timer = setTimeout(() => living.stop(), Math.max(0, request.ttlMs - made.ttlMs)).unref()
  const stop = (): void => {
    clearTimeout(timer)
    living.stop()
  }
  return { token: made.token, accessor: made.accessor, endMs: startMs + request.ttlMs, stop }
}
