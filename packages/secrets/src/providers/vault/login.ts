// SPDX-License-Identifier: Apache-2.0
import { quote } from '@sallyport/core'
import type { ProviderPorts } from '../../contract.ts'
import { SecretsError } from '../../secrets-error.ts'
import { isJsonObject, type JsonObject } from '../json.ts'
import { type MadeToken, nonsense, readMadeToken, type VaultAnswer } from './vault-answer.ts'
import { type VaultClient, VaultRefusal } from './vault-client.ts'
import type { VaultAuth, VaultSettings } from './vault-settings.ts'

type AppRole = Extract<VaultAuth, { method: 'approle' }>

/** How the broker gets its own token. What it is made from is read when it is needed, and kept only where it can be read once. */
export class Login {
  readonly #settings: VaultSettings
  readonly #ports: ProviderPorts
  readonly #client: VaultClient
  /** By the wrapping token, which is of no more use once it was unwrapped. */
  #unwrapped: { readonly wrapping: string; readonly secretId: string } | null = null

  constructor(settings: VaultSettings, ports: ProviderPorts, client: VaultClient) {
    this.#settings = settings
    this.#ports = ports
    this.#client = client
  }

  /** @throws SecretsError */
  async broker(signal: AbortSignal): Promise<MadeToken> {
    const { auth } = this.#settings
    if (auth.method === 'token') return this.#fromFile(await this.#readFile(auth.token), signal)
    if (auth.method === 'approle') {
      const secretId = auth.isWrapped ? await this.#unwrapSecretId(auth, signal) : await this.#readFile(auth.secretId)
      return this.#login(auth.mount, { role_id: auth.roleId, secret_id: secretId }, signal)
    }
    return this.#login(auth.mount, { role: auth.role, jwt: await this.#readFile(auth.token) }, signal)
  }

  /** @throws SecretsError */
  job({ mount, role }: { mount: string; role: string }, jwt: string, signal: AbortSignal): Promise<MadeToken> {
    return this.#login(mount, { role, jwt }, signal)
  }

  async #login(mount: string, body: JsonObject, signal: AbortSignal): Promise<MadeToken> {
    const what = `log in to ${quote(this.#settings.name)}`
    try {
      return readMadeToken(
        await this.#client.ask({ what, method: 'POST', path: `auth/${mount}/login`, token: null, body, isRepeatable: false, signal }),
        what,
      )
    } catch (error) {
      throw refusedLogin(error, what)
    }
  }

  /** A token that somebody else made tells itself how long it lives. */
  async #fromFile(token: string, signal: AbortSignal): Promise<MadeToken> {
    const what = `use the token of ${quote(this.#settings.name)}`
    try {
      const answer = await this.#client.ask({
        what,
        method: 'GET',
        path: 'auth/token/lookup-self',
        token,
        body: null,
        isRepeatable: true,
        signal,
      })
      return readMadeToken(asLogin(answer, token, what), what)
    } catch (error) {
      throw refusedLogin(error, what)
    }
  }

  async #unwrapSecretId(auth: AppRole, signal: AbortSignal): Promise<string> {
    const wrapping = await this.#readFile(auth.secretId)
    if (this.#unwrapped?.wrapping === wrapping) return this.#unwrapped.secretId
    const what = `unwrap the secret ID of ${quote(this.#settings.name)}`
    try {
      await this.#assertWrapsSecretId(wrapping, auth, signal)
      const answer = await this.#client.ask({
        what,
        method: 'POST',
        path: 'sys/wrapping/unwrap',
        token: wrapping,
        body: null,
        isRepeatable: false,
        signal,
      })
      const data = answer.body['data']
      const secretId = isJsonObject(data) ? data['secret_id'] : null
      if (typeof secretId !== 'string' || secretId === '') throw nonsense(what, 'no secret ID')
      this.#unwrapped = { wrapping, secretId }
      return secretId
    } catch (error) {
      throw refusedLogin(error, what, 'If nobody of yours has unwrapped it, somebody else has: revoke it, and find out who')
    }
  }

  /** Who swapped the wrapping for one of their own would choose as whom we log in. */
  async #assertWrapsSecretId(wrapping: string, { mount }: AppRole, signal: AbortSignal): Promise<void> {
    const what = `look at the wrapped secret ID of ${quote(this.#settings.name)}`
    const answer = await this.#client.ask({
      what,
      method: 'POST',
      path: 'sys/wrapping/lookup',
      token: null,
      body: { token: wrapping },
      isRepeatable: true,
      signal,
    })
    const data = answer.body['data']
    const madeAt = isJsonObject(data) ? data['creation_path'] : null
    if (typeof madeAt === 'string' && madeAt.startsWith(`auth/${mount}/role/`) && madeAt.endsWith('/secret-id')) return
    throw new SecretsError('PROVIDER_LOGIN_REFUSED', `Cannot ${what}: it was not made as a secret ID of auth/${mount}`, {
      hint: 'Somebody may have put a wrapping of their own in its place',
    })
  }

  async #readFile(path: string): Promise<string> {
    const bytes = await this.#ports.readFile(path)
    const text = new TextDecoder().decode(bytes).trim()
    bytes.fill(0)
    if (/^[\x21-\x7e]{1,16384}$/.test(text)) return text
    throw new SecretsError('PROVIDER_CONFIG_INVALID', `Cannot use ${quote(path)} for ${quote(this.#settings.name)}: it holds no token`, {
      hint: 'It has to be one line of printable characters, without spaces',
    })
  }
}

/** `lookup-self` says the same as a login, under other names. */
function asLogin({ body }: VaultAnswer, token: string, what: string): VaultAnswer {
  const data = body['data']
  if (!isJsonObject(data)) throw nonsense(what, 'no token')
  const { accessor, ttl, renewable } = data
  return { body: { auth: { client_token: token, accessor, lease_duration: ttl, renewable } } }
}

/** A login has one thing to be wrong about: what is refused there is our credential. */
function refusedLogin(error: unknown, what: string, hint?: string): unknown {
  if (!(error instanceof VaultRefusal) || (error.status !== 400 && error.status !== 403)) return error
  return new SecretsError('PROVIDER_LOGIN_REFUSED', `Cannot ${what}: it is refused (status ${error.status})`, {
    hint: hint ?? 'It may have expired, been revoked, or be of another role',
    details: error.details,
  })
}
