// SPDX-License-Identifier: Apache-2.0
// As much of Vault as a job with a database account needs, with a memory of what lives: tokens, and the leases that they made.
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { collectBytes } from '@sallyport/core'
import type { Manager } from './_broker-kill.ts'

const BROKER_TOKEN = 's.the-brokers-own'
/** An answer takes so long at most: kills meet questions that are on their way. */
const ANSWER_MS_MAX = 25

interface Child {
  readonly token: string
  readonly accessor: string
  readonly leases: Set<string>
  /** Whether it has ever made anything. */
  hasMade: boolean
}

type Answer = readonly [status: number, body: unknown]

export class VaultDouble implements AsyncDisposable, Manager {
  readonly #server: Server
  /** By accessor. */
  readonly #children = new Map<string, Child>()
  #hasBeenAsked = false
  /** Accounts so far. */
  made = 0
  /** How long the end of something takes. */
  endMs = 0

  private constructor() {
    this.#server = createServer(async (request, response) => {
      const bytes = await collectBytes(request, 2 ** 20)
      this.#hasBeenAsked = true
      await sleep(Math.random() * ANSWER_MS_MAX)
      if (/revoke/.test(request.url ?? '')) await sleep(this.endMs)
      // Done whether or not anybody is there to hear the answer.
      const [status, body] = this.#answer(request, bytes === null || bytes.length === 0 ? {} : JSON.parse(new TextDecoder().decode(bytes)))
      await sleep(Math.random() * ANSWER_MS_MAX)
      response.writeHead(status).end(body === null ? '' : JSON.stringify(body))
    })
  }

  static async start(): Promise<VaultDouble> {
    const double = new VaultDouble()
    await new Promise<void>((resolve) => double.#server.listen(0, '127.0.0.1', resolve))
    return double
  }

  private get address(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  get liveLeases(): number {
    return [...this.#children.values()].reduce((sum, { leases }) => sum + leases.size, 0)
  }

  hasBeenAsked(): boolean {
    return this.#hasBeenAsked
  }

  forgetAsked(): void {
    this.#hasBeenAsked = false
  }

  async live(): Promise<number> {
    return this.liveLeases + this.liveTokens
  }

  /** The provider's settings in an operator's file, with a token in a file of `directory`. */
  provider(directory: string): string {
    const token = join(directory, 'token')
    writeFileSync(token, `${BROKER_TOKEN}\n`, { mode: 0o600 })
    const auth = `{ method: token, token: ${token} }`
    return `{ kind: vault, address: '${this.address}', auth: ${auth}, mounts: { database: { engine: database } } }`
  }

  /** Those that live and have made something. */
  get liveTokens(): number {
    return [...this.#children.values()].filter(({ hasMade }) => hasMade).length
  }

  /** Made in the moment in which their broker was killed: nobody has them, and they made nothing. */
  get unusedTokens(): number {
    return this.#children.size - this.liveTokens
  }

  #answer(request: IncomingMessage, body: Readonly<Record<string, unknown>>): Answer {
    const path = (request.url ?? '').replace(/^\/v1\//, '')
    const token = request.headers['x-vault-token']
    if (path.startsWith('database/creds/')) return this.#makeAccount(String(token))
    if (token !== BROKER_TOKEN) return [403, { errors: ['permission denied'] }]
    if (path === 'auth/token/lookup-self') return [200, { data: { accessor: 'own', ttl: 3600, renewable: false } }]
    if (path === 'auth/token/create') return this.#makeChild()
    if (path === 'auth/token/revoke-accessor') {
      return this.#children.delete(String(body['accessor'])) ? [204, null] : [400, { errors: ['invalid accessor'] }]
    }
    if (path === 'sys/leases/revoke') {
      for (const { leases } of this.#children.values()) leases.delete(String(body['lease_id']))
      return [204, null]
    }
    return [404, { errors: [] }]
  }

  #makeChild(): Answer {
    const child = { token: `s.${randomBytes(12).toString('hex')}`, accessor: randomBytes(12).toString('hex'), leases: new Set<string>() }
    this.#children.set(child.accessor, { ...child, hasMade: false })
    const { token, accessor } = child
    return [200, { auth: { client_token: token, accessor, lease_duration: 300, renewable: false, orphan: false } }]
  }

  #makeAccount(token: string): Answer {
    const child = [...this.#children.values()].find((each) => each.token === token)
    if (child === undefined) return [403, { errors: ['permission denied'] }]
    const id = `database/creds/ci/${randomBytes(12).toString('hex')}`
    child.leases.add(id)
    child.hasMade = true
    this.made += 1
    const data = { username: `ci-${randomBytes(4).toString('hex')}`, password: randomBytes(16).toString('hex') }
    return [200, { lease_id: id, lease_duration: 120, renewable: true, data }]
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    this.#server.closeAllConnections()
    await closed
  }
}
