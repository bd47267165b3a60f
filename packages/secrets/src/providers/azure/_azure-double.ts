// SPDX-License-Identifier: Apache-2.0
// Key Vault and Entra ID, as far as we ask them, and as far as Azure's own SDK does.
import assert from 'node:assert/strict'
import { randomBytes, randomUUID } from 'node:crypto'
import type { SecretAddress, SettingsTree } from '../../contract.ts'
import { at, type CloudDouble } from '../cloud/_cloud-subject.ts'
import type { DoubleReply, DoubleRequest } from '../cloud/_double-server.ts'

export const TENANT = 'f0000000-0000-4000-8000-000000000001'
export const CLIENT_ID = 'f0000000-0000-4000-8000-000000000002'

interface Stored {
  readonly version: string
  readonly value: string
  readonly attributes: Readonly<Record<string, unknown>>
}

export class AzureDouble implements CloudDouble {
  readonly kind = 'azure'
  readonly token = `job-token-${randomUUID()}`
  readonly secret = `client-secret-${randomUUID()}`
  readonly tokens = new Set([this.token])
  readonly credentials: readonly string[] = [this.token, this.secret]
  readonly forbidden = 'forbidden'
  readonly busy = 'busy'
  /** By access token: whose assertion it was made with. */
  readonly issued = new Map<string, string>()
  readonly reads: string[] = []
  expiresInS = 3599
  /** Said once, in place of the next answer of the vault. */
  next: DoubleReply | null = null
  readonly #stored = new Map<string, Stored[]>()

  respond = (request: DoubleRequest): DoubleReply => {
    const origin = `https://${request.headers.host}`
    if (request.path.startsWith('/secrets/')) return this.#getSecret(request, origin)
    if (request.path.endsWith('/.well-known/openid-configuration')) return { status: 200, body: discovery(origin) }
    return this.#issue(request)
  }

  settings(origin: string): SettingsTree {
    return { vault: origin, login: origin, auth: { method: 'job-token', tenant: TENANT, 'client-id': CLIENT_ID } }
  }

  put(name: string, value: Uint8Array, attributes: Readonly<Record<string, unknown>> = {}): SecretAddress {
    const text = Buffer.from(value).toString('utf8')
    const isText = Buffer.from(text).equals(value)
    const stored = { version: randomBytes(16).toString('hex'), value: isText ? text : Buffer.from(value).toString('base64'), attributes }
    this.#stored.set(name, [...(this.#stored.get(name) ?? []), stored])
    return { ...at(name), parameters: isText ? {} : { encoding: 'base64' } }
  }

  #issue({ method, path, headers, body }: DoubleRequest): DoubleReply {
    assert.deepEqual([method, path], ['POST', `/${TENANT}/oauth2/v2.0/token`])
    assert.match(headers['content-type'] ?? '', /^application\/x-www-form-urlencoded/)
    const form = new URLSearchParams(String(body))
    assert.deepEqual([form.get('grant_type'), form.get('client_id')], ['client_credentials', CLIENT_ID])
    assert.match(form.get('scope') ?? '', /^https:\/\/vault\.azure\.net\/\.default\b/)
    const assertion = form.get('client_assertion')
    if (assertion !== null) assert.equal(form.get('client_assertion_type'), 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer')
    const isKnown = assertion === null ? form.get('client_secret') === this.secret : this.tokens.has(assertion)
    if (!isKnown)
      return { status: 401, body: { error: 'invalid_client', error_description: `AADSTS700213: ${assertion}`, error_codes: [700213] } }
    const access = randomBytes(30).toString('base64url')
    this.issued.set(access, assertion ?? 'client secret')
    return {
      status: 200,
      body: { token_type: 'Bearer', expires_in: this.expiresInS, ext_expires_in: this.expiresInS, access_token: access },
    }
  }

  #getSecret({ method, path, query, headers }: DoubleRequest, origin: string): DoubleReply {
    assert.deepEqual([method, [...query.keys()]], ['GET', ['api-version']])
    assert.match(query.get('api-version') ?? '', /^(?:7\.[4-6]|20\d\d-\d\d-\d\d)/)
    const { next } = this
    this.next = null
    if (next !== null) return next
    const by = this.issued.get(/^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1] ?? '')
    if (by === undefined) return challenge(origin)
    const [, , name = '', version = ''] = path.split('/')
    this.reads.push(by)
    if (name === this.busy) return { status: 429, headers: { 'retry-after': '0' }, body: { error: { code: 'Throttled', message: 'x' } } }
    if (name === this.forbidden)
      return { status: 403, body: { error: { code: 'Forbidden', message: 'x', innererror: { code: 'ForbiddenByRbac' } } } }
    const versions = this.#stored.get(name) ?? []
    const found = version === '' ? versions.at(-1) : versions.find((each) => each.version === version)
    if (found === undefined) return { status: 404, body: { error: { code: 'SecretNotFound', message: `${name} was not found` } } }
    if (found.attributes['enabled'] === false)
      return { status: 403, body: { error: { code: 'Forbidden', message: 'x', innererror: { code: 'SecretDisabled' } } } }
    const attributes = { enabled: true, created: 1.7e9, updated: 1.7e9, recoveryLevel: 'Recoverable+Purgeable', ...found.attributes }
    return { status: 200, body: { value: found.value, id: `${origin}/secrets/${name}/${found.version}`, attributes } }
  }
}

function challenge(origin: string): DoubleReply {
  const header = `Bearer authorization="${origin}/${TENANT}", resource="https://vault.azure.net"`
  return { status: 401, headers: { 'www-authenticate': header }, body: { error: { code: 'Unauthorized', message: 'x' } } }
}

function discovery(origin: string): object {
  return {
    issuer: `${origin}/${TENANT}/v2.0`,
    authorization_endpoint: `${origin}/${TENANT}/oauth2/v2.0/authorize`,
    token_endpoint: `${origin}/${TENANT}/oauth2/v2.0/token`,
    jwks_uri: `${origin}/${TENANT}/discovery/v2.0/keys`,
  }
}
