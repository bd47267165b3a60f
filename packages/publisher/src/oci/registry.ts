// SPDX-License-Identifier: Apache-2.0
import { matchesName, type NamePattern } from '@sallyport/access'
import { ask, type HttpQuestion, type HttpReply } from '@sallyport/http'
import { RefusedByRegistry } from './refused-by-registry.ts'

export interface RegistryParts {
  /** `https://HOST[:PORT]`. */
  readonly url: string
  readonly repository: string
  /** `USER:PASSWORD`; null: none. */
  readonly credential: string | null
  /** Whom the credential may be shown, beside the registry itself. */
  readonly hosts: readonly NamePattern[]
  readonly authorities: string | null
  readonly untilMs: number
}

export interface RegistryQuestion {
  readonly method: 'HEAD' | 'POST' | 'PUT'
  /** An absolute path with its query, or what the registry named. */
  readonly to: string
  readonly headers?: Readonly<Record<string, string>>
  /** Called for each attempt. */
  readonly body?: () => HttpQuestion['body']
}

const ANSWER_BYTES_MAX = 64 * 1024

/** Asks one registry, and proves who we are as it demands: Basic, or a token (distribution's "Token Authentication Specification"). */
export class Registry {
  readonly #parts: RegistryParts
  #authorization: string | null = null

  constructor(parts: RegistryParts) {
    this.#parts = parts
  }

  /** @throws HttpError, RefusedByRegistry */
  async ask(question: RegistryQuestion): Promise<HttpReply> {
    const reply = await this.#send(question)
    if (reply.status !== 401 || this.#authorization !== null) return reply
    this.#authorization = await this.#authorize(String(reply.headers['www-authenticate'] ?? ''))
    return this.#send(question)
  }

  /** Only there does anything go: another place is nobody's decision. @throws RefusedByRegistry */
  locate(location: string): URL {
    const url = parseUrl(location, this.#parts.url)
    if (url !== null && url.origin === new URL(this.#parts.url).origin) return url
    throw new RefusedByRegistry('redirected', 'the registry sends elsewhere, where nothing is sent')
  }

  #send({ method, to, headers = {}, body }: RegistryQuestion): Promise<HttpReply> {
    const authorization = this.#authorization === null ? {} : { authorization: this.#authorization }
    return this.#http(method, this.locate(to).href, { ...headers, ...authorization }, body?.() ?? null)
  }

  #http(method: string, url: string, headers: HttpQuestion['headers'], body: HttpQuestion['body']): Promise<HttpReply> {
    const { authorities, untilMs } = this.#parts
    const timeoutMs = Math.max(1, untilMs - Date.now())
    const empty = method === 'POST' && body === null ? new Uint8Array() : body
    return ask({
      method,
      url,
      headers,
      body: empty,
      timeoutMs,
      answerBytesMax: ANSWER_BYTES_MAX,
      ...(authorities === null ? {} : { ca: authorities }),
    })
  }

  async #authorize(challenge: string): Promise<string> {
    const { credential } = this.#parts
    const basic = credential === null ? null : `Basic ${Buffer.from(credential, 'latin1').toString('base64')}`
    if (/^basic\b/i.test(challenge) && basic !== null) return basic
    if (/^bearer\b/i.test(challenge)) return `Bearer ${await this.#token(challenge, basic)}`
    throw new RefusedByRegistry('refused', 'the registry wants a credential (401), and none, or one of another kind, is there')
  }

  /** The registry says who gives tokens; whom the secret is not for is not shown it. */
  async #token(challenge: string, basic: string | null): Promise<string> {
    const fields = new Map([...challenge.matchAll(/([a-z_]+)="([^"]{1,1000})"/g)].map(([, name = '', value = '']) => [name, value]))
    const realm = parseUrl(fields.get('realm') ?? '', undefined)
    const own = new URL(this.#parts.url)
    const isKnown = realm?.origin === own.origin || this.#parts.hosts.some((pattern) => matchesName(pattern, realm?.hostname ?? ''))
    if (realm === null || realm.protocol !== 'https:' || !isKnown)
      throw new RefusedByRegistry(
        'redirected',
        `the registry sends for a token to ${realm?.host ?? 'nowhere'}, which is not among the secret's hosts`,
      )
    const service = fields.get('service')
    if (service !== undefined) realm.searchParams.set('service', service)
    // Ours, not the challenge's: no more than this repository.
    realm.searchParams.set('scope', `repository:${this.#parts.repository}:pull,push`)
    const reply = await this.#http('GET', realm.href, basic === null ? {} : { authorization: basic }, null)
    if (reply.status !== 200) throw new RefusedByRegistry('refused', `no token is given for the registry (${reply.status})`)
    return parseToken(reply.body)
  }
}

function parseToken(body: Uint8Array): string {
  try {
    const { token, access_token: other } = JSON.parse(Buffer.from(body).toString()) as Record<string, unknown>
    const given = token ?? other
    // RFC 6750 section 2.1.
    if (typeof given === 'string' && /^[A-Za-z0-9\-._~+/]+=*$/.test(given)) return given
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof TypeError)) throw error
  }
  throw new RefusedByRegistry('failed', 'what was given for a token is none')
}

function parseUrl(text: string, base: string | undefined): URL | null {
  const url = URL.parse(text, base)
  return url === null || url.username !== '' || url.password !== '' ? null : url
}
