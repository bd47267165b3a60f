// SPDX-License-Identifier: Apache-2.0
// Secret Manager, token exchange and service account credentials, as far as we ask them, and as far as Google's own client does.
import assert from 'node:assert/strict'
import { randomBytes, randomUUID } from 'node:crypto'
import type { SecretAddress, SettingsTree } from '../../contract.ts'
import { at, type CloudDouble } from '../cloud/_cloud-subject.ts'
import type { DoubleReply, DoubleRequest } from '../cloud/_double-server.ts'
import { crc32c } from './crc32c.ts'

export const AUDIENCE = '//iam.googleapis.com/projects/123456789/locations/global/workloadIdentityPools/sallyport/providers/sallyport'
export const SERVICE_ACCOUNT = 'ci-reader@my-project.iam.gserviceaccount.com'
const CLOUD_PLATFORM = 'https://www.googleapis.com/auth/cloud-platform'

interface Stored {
  readonly value: Uint8Array
  readonly isEnabled: boolean
}

export class GoogleDouble implements CloudDouble {
  readonly kind = 'google'
  readonly token = `job-token-${randomUUID()}`
  readonly tokens = new Set([this.token])
  readonly credentials: readonly string[] = [this.token]
  readonly forbidden = 'forbidden'
  readonly busy = 'busy'
  /** By access token: whose it is. */
  readonly issued = new Map<string, string>()
  readonly reads: string[] = []
  expiresInS = 3599
  /** Said once, in place of the next answer of Secret Manager. */
  next: DoubleReply | null = null
  readonly #stored = new Map<string, Stored[]>()

  respond = (request: DoubleRequest): DoubleReply => {
    if (request.path === '/v1/token') return this.#exchange(request)
    if (request.path.endsWith(':generateAccessToken')) return this.#impersonate(request)
    return this.#access(request)
  }

  settings(origin: string): SettingsTree {
    const endpoints = { secretmanager: origin, sts: origin, iamcredentials: origin }
    return { project: 'my-project', auth: { method: 'job-token', audience: AUDIENCE }, endpoints }
  }

  put(name: string, value: Uint8Array, { isEnabled = true }: { readonly isEnabled?: boolean } = {}): SecretAddress {
    this.#stored.set(name, [...(this.#stored.get(name) ?? []), { value, isEnabled }])
    return at(name)
  }

  #exchange({ method, headers, body }: DoubleRequest): DoubleReply {
    assert.match(`${method} ${headers['content-type']}`, /^POST application\/x-www-form-urlencoded/)
    const form = new URLSearchParams(String(body))
    assert.equal(form.get('grant_type'), 'urn:ietf:params:oauth:grant-type:token-exchange')
    assert.equal(form.get('requested_token_type'), 'urn:ietf:params:oauth:token-type:access_token')
    assert.equal(form.get('subject_token_type'), 'urn:ietf:params:oauth:token-type:jwt')
    assert.deepEqual([form.get('audience'), form.get('scope')], [AUDIENCE, CLOUD_PLATFORM])
    const subject = form.get('subject_token') ?? ''
    if (!this.tokens.has(subject)) return { status: 400, body: { error: 'invalid_grant', error_description: `unexpected: ${subject}` } }
    const token_type = 'Bearer'
    const issued_token_type = 'urn:ietf:params:oauth:token-type:access_token'
    return { status: 200, body: { access_token: this.#issue(subject), issued_token_type, token_type, expires_in: this.expiresInS } }
  }

  #impersonate(request: DoubleRequest): DoubleReply {
    assert.deepEqual([request.method, request.path], ['POST', `/v1/projects/-/serviceAccounts/${SERVICE_ACCOUNT}:generateAccessToken`])
    const { scope, lifetime } = JSON.parse(String(request.body)) as { scope: string[]; lifetime: string }
    assert.deepEqual(scope, [CLOUD_PLATFORM])
    assert.match(lifetime, /^[0-9]{1,4}s$/)
    const by = this.#bearerOf(request)
    if (by === null) return failure(403, 'PERMISSION_DENIED', 'x')
    const expireTime = new Date(Date.now() + Number.parseInt(lifetime, 10) * 1000).toISOString().replace(/\.\d+/, '')
    return { status: 200, body: { accessToken: this.#issue(`${by} as ${SERVICE_ACCOUNT}`), expireTime } }
  }

  #issue(to: string): string {
    const access = `ya29.${randomBytes(30).toString('base64url')}`
    this.issued.set(access, to)
    return access
  }

  #bearerOf({ headers }: DoubleRequest): string | null {
    return this.issued.get(/^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1] ?? '') ?? null
  }

  #access(request: DoubleRequest): DoubleReply {
    const { next } = this
    this.next = null
    if (next !== null) return next
    const form = /^\/v1\/projects\/my-project\/secrets\/([\w-]+)\/versions\/([\w-]+):access$/
    const [, name = '', version = ''] = form.exec(request.path) ?? assert.fail(`no such resource: ${request.path}`)
    assert.equal(request.method, 'GET')
    const by = this.#bearerOf(request)
    if (by === null) return failure(401, 'UNAUTHENTICATED', 'Request had invalid authentication credentials.')
    this.reads.push(by)
    if (name === this.busy) return failure(429, 'RESOURCE_EXHAUSTED', 'Quota exceeded')
    if (name === this.forbidden) return failure(403, 'PERMISSION_DENIED', 'x')
    const versions = this.#stored.get(name)
    const resource = `projects/123456789/secrets/${name}`
    if (versions === undefined) return failure(404, 'NOT_FOUND', `Secret [${resource}] not found or has no versions.`)
    const number = version === 'latest' ? versions.length : Number(version)
    const found = versions[number - 1]
    if (found === undefined) return failure(404, 'NOT_FOUND', `Secret Version [${resource}/versions/${version}] not found.`)
    if (!found.isEnabled)
      return failure(400, 'FAILED_PRECONDITION', `Secret Version [${resource}/versions/${version}] is in DISABLED state.`)
    const payload = { data: Buffer.from(found.value).toString('base64'), dataCrc32c: String(crc32c(found.value)) }
    return { status: 200, body: { name: `${resource}/versions/${number}`, payload } }
  }
}

export function failure(code: number, status: string, message: string): DoubleReply {
  return { status: code, body: { error: { code, status, message } } }
}
