// SPDX-License-Identifier: Apache-2.0
// Secrets Manager and STS, as far as we ask them: signatures are checked, and session policies hold.
import assert from 'node:assert/strict'
import { randomBytes, randomUUID } from 'node:crypto'
import { matchesGlob } from 'node:path'
import type { SecretAddress, SettingsTree } from '../../contract.ts'
import { at, type CloudDouble } from '../cloud/_cloud-subject.ts'
import type { DoubleReply, DoubleRequest } from '../cloud/_double-server.ts'
import { type AwsCredentials, signV4 } from './sign-v4.ts'

const ACCOUNT = '123456789012'
export const ROLE = `arn:aws:iam::${ACCOUNT}:role/ci`

interface Made extends AwsCredentials {
  readonly resources: readonly string[]
  /** Whose token it was made with, or whose key. */
  readonly by: string
  expiresAtMs: number
}

interface Stored {
  readonly arn: string
  readonly versions: { readonly id: string; readonly value: Uint8Array }[]
}

export class AwsDouble implements CloudDouble {
  readonly kind = 'aws'
  readonly token = `job-token-${randomUUID()}`
  readonly tokens = new Set([this.token])
  readonly credentials: readonly string[] = [this.token]
  readonly forbidden = 'forbidden'
  readonly busy = 'busy'
  /** In the order in which they were made. */
  readonly made: Made[] = []
  readonly reads: { readonly by: string; readonly path: string }[] = []
  readonly forms: URLSearchParams[] = []
  /** Keys that roles can be assumed with. */
  readonly keys = new Map<string, AwsCredentials>()
  clockOffsetMs = 0
  /** Said once, in place of the next answer of Secrets Manager. */
  next: DoubleReply | null = null
  /** What STS says in place of credentials. */
  stsSays: string | null = null
  readonly #stored = new Map<string, Stored>()

  respond = (request: DoubleRequest): DoubleReply => {
    assert.deepEqual([request.method, request.path, String(request.query)], ['POST', '/', ''])
    return request.headers['x-amz-target'] === undefined ? this.#assume(request) : this.#getSecretValue(request)
  }

  settings(origin: string): SettingsTree {
    const endpoints = { sts: origin, secretsmanager: origin }
    return { region: 'eu-central-1', auth: { method: 'job-token', role: ROLE }, endpoints }
  }

  put(name: string, value: Uint8Array): SecretAddress {
    const arn = `arn:aws:secretsmanager:eu-central-1:${ACCOUNT}:secret:${name}-${randomBytes(6).toString('hex').slice(0, 6)}`
    const stored = this.#stored.get(name) ?? { arn, versions: [] }
    stored.versions.push({ id: randomUUID(), value })
    this.#stored.set(name, stored)
    return at(name)
  }

  arnOf(name: string): string {
    return this.#stored.get(name)?.arn ?? assert.fail(`nothing is stored as ${name}`)
  }

  #assume(request: DoubleRequest): DoubleReply {
    assert.match(request.headers['content-type'] ?? '', /^application\/x-www-form-urlencoded/)
    const form = new URLSearchParams(String(request.body))
    this.forms.push(form)
    if (this.stsSays !== null) return { status: 200, body: this.stsSays }
    const seconds = Number(form.get('DurationSeconds'))
    assert.equal(form.get('Version'), '2011-06-15')
    assert.match(form.get('RoleSessionName') ?? '', /^[\w+=,.@-]{2,64}$/)
    if (seconds < 900 || seconds > 3600) return stsError(400, 'ValidationError', '1 validation error detected')
    const by = this.#principal(request, form)
    if (by === null) return stsError(400, 'InvalidIdentityToken', `Couldn't verify the token ${form.get('WebIdentityToken')}`)
    const policy = JSON.parse(form.get('Policy') ?? '') as { Statement: { Action: string; Resource: string | string[] }[] }
    const resources = policy.Statement.filter(({ Action }) => Action !== 'kms:Decrypt').flatMap(({ Resource }) => Resource)
    return this.#answerWith({ by, resources, seconds, action: form.get('Action') ?? '' })
  }

  /** Null: nobody. */
  #principal(request: DoubleRequest, form: URLSearchParams): string | null {
    const token = form.get('WebIdentityToken')
    if (form.get('Action') === 'AssumeRoleWithWebIdentity') return token !== null && this.tokens.has(token) ? token : null
    assert.equal(form.get('Action'), 'AssumeRole')
    return this.#signer(request, 'sts')?.by ?? null
  }

  #answerWith({ by, resources, seconds, action }: { by: string; resources: string[]; seconds: number; action: string }): DoubleReply {
    const made: Made = {
      accessKeyId: `ASIA${randomBytes(8).toString('hex').toUpperCase()}`,
      secretAccessKey: randomBytes(30).toString('base64'),
      sessionToken: randomBytes(60).toString('base64'),
      resources,
      by,
      expiresAtMs: Date.now() + seconds * 1000,
    }
    this.made.push(made)
    const fields = `<AccessKeyId>${made.accessKeyId}</AccessKeyId><SecretAccessKey>${made.secretAccessKey}</SecretAccessKey><SessionToken>${
      made.sessionToken
    }</SessionToken><Expiration>${new Date(made.expiresAtMs).toISOString()}</Expiration>`
    const user = `<AssumedRoleUser><Arn>${ROLE}/x</Arn><AssumedRoleId>AROA:x</AssumedRoleId></AssumedRoleUser>`
    const result = `<${action}Result>${user}<Credentials>${fields}</Credentials></${action}Result>`
    return { status: 200, body: `<${action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/">${result}</${action}Response>` }
  }

  #getSecretValue(request: DoubleRequest): DoubleReply {
    const { next } = this
    this.next = null
    if (next !== null) return next
    assert.deepEqual(
      [request.headers['x-amz-target'], request.headers['content-type']],
      ['secretsmanager.GetSecretValue', 'application/x-amz-json-1.1'],
    )
    const signer = this.#signer(request, 'secretsmanager')
    if (signer === null) return jsonError('UnrecognizedClientException', 'The security token included in the request is invalid.')
    if (signer.expiresAtMs <= Date.now()) return jsonError('ExpiredTokenException', 'The security token included in the request is expired')
    const skewMs = Date.now() + this.clockOffsetMs - timeOf(request)
    if (Math.abs(skewMs) > 300_000) return jsonError('InvalidSignatureException', 'Signature expired: it is now earlier than before')
    const { SecretId, VersionId, VersionStage } = JSON.parse(String(request.body)) as Record<string, string>
    return this.#valueFor(signer, SecretId ?? '', { VersionId, VersionStage })
  }

  #valueFor(
    signer: Made,
    path: string,
    { VersionId, VersionStage }: Record<'VersionId' | 'VersionStage', string | undefined>,
  ): DoubleReply {
    this.reads.push({ by: signer.by, path })
    if (path === this.busy) return jsonError('ThrottlingException', 'Rate exceeded')
    if (path === this.forbidden) return jsonError('AccessDeniedException', `User: ${ROLE} is not authorized`)
    const [name, stored] = [...this.#stored].find(([known, { arn }]) => [known, arn, arn.replace(/-[0-9a-f]{6}$/, '')].includes(path)) ?? [
      path,
      null,
    ]
    const missing = "Secrets Manager can't find the specified secret."
    if (stored === null) return jsonError('ResourceNotFoundException', missing)
    if (!signer.resources.some((resource) => matchesGlob(stored.arn, resource)))
      return jsonError('AccessDeniedException', 'no session policy allows it')
    const stage = VersionId === undefined ? (VersionStage ?? 'AWSCURRENT') : null
    const version =
      stage === null
        ? stored.versions.find(({ id }) => id === VersionId)
        : stored.versions.at(stage === 'AWSCURRENT' ? -1 : stage === 'AWSPREVIOUS' ? -2 : 1e9)
    if (version === undefined)
      return jsonError('ResourceNotFoundException', "Secrets Manager can't find the specified secret value for VersionId: x")
    const text = Buffer.from(version.value).toString('utf8')
    const isText = Buffer.from(text).equals(version.value)
    const value = isText ? { SecretString: text } : { SecretBinary: Buffer.from(version.value).toString('base64') }
    return { status: 200, body: { ARN: stored.arn, Name: name, VersionId: version.id, ...value, VersionStages: [], CreatedDate: 1.7e9 } }
  }

  #signer({ headers, body, method }: DoubleRequest, service: string): Made | null {
    const authorization = headers.authorization ?? ''
    const [, id, names] = /Credential=([^/]+)\/.*SignedHeaders=([^,]+)/.exec(authorization) ?? []
    const key = this.keys.get(id ?? '')
    const held = this.made.find(({ accessKeyId }) => accessKeyId === id)
    const known =
      held ?? (key === undefined ? undefined : { ...key, resources: [], by: key.accessKeyId, expiresAtMs: Number.POSITIVE_INFINITY })
    if (known === undefined || headers['x-amz-security-token'] !== (known.sessionToken ?? undefined)) return null
    const plain = (names ?? '').split(';').filter((name) => !['host', 'x-amz-date', 'x-amz-security-token'].includes(name))
    const signed = Object.fromEntries(plain.map((name) => [name, String(headers[name])]))
    const request = { method, host: headers.host ?? '', headers: signed, body }
    const scope = { region: 'eu-central-1', service, credentials: known, nowMs: timeOf({ headers }) }
    return signV4(request, scope)['authorization'] === authorization ? known : null
  }
}

function timeOf({ headers }: Pick<DoubleRequest, 'headers'>): number {
  return Date.parse(String(headers['x-amz-date']).replace(/^(....)(..)(..T..)(..)(..Z)$/, '$1-$2-$3:$4:$5'))
}

export function jsonError(type: string, message: string): DoubleReply {
  return { status: 400, body: { __type: type, message, Message: message } }
}

function stsError(status: number, code: string, message: string): DoubleReply {
  const error = `<Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error>`
  return { status, body: `<ErrorResponse>${error}<RequestId>x</RequestId></ErrorResponse>` }
}
