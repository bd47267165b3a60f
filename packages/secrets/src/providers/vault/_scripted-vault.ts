// SPDX-License-Identifier: Apache-2.0
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { collectBytes } from '@sallyport/core'

export interface Asked {
  readonly method: string
  /** Below `/v1/`, with its query. */
  readonly path: string
  readonly token: string | undefined
  readonly headers: IncomingMessage['headers']
  readonly body: Readonly<Record<string, unknown>> | null
}

/** `drop`: the connection breaks without an answer. */
export type Reply = { readonly status: number; readonly body?: unknown; readonly headers?: Readonly<Record<string, string>> } | 'drop'

export const TOKEN = 's.the-brokers-own'
export const CHILD = { client_token: 's.child', accessor: 'accessor-of-child', lease_duration: 300, renewable: false, orphan: false }

/** Says what a test has it say to questions about secrets; logins and children's tokens it makes by itself, where the test does not say otherwise. */
export class ScriptedVault implements AsyncDisposable {
  readonly asked: Asked[] = []
  readonly #server: Server

  private constructor(server: Server) {
    this.#server = server
  }

  static async start(say: (asked: Asked) => Reply | null): Promise<ScriptedVault> {
    const vault: ScriptedVault = new ScriptedVault(
      createServer(async (request, response) => {
        const bytes = await collectBytes(request, 2 ** 20)
        const asked: Asked = {
          method: request.method ?? '',
          path: (request.url ?? '').replace(/^\/v1\//, ''),
          token: request.headers['x-vault-token'] as string | undefined,
          headers: request.headers,
          body: bytes === null || bytes.length === 0 ? null : JSON.parse(new TextDecoder().decode(bytes)),
        }
        vault.asked.push(asked)
        const reply = say(asked) ?? usual(asked)
        if (reply === 'drop') return void request.socket.destroy()
        response.writeHead(reply.status, reply.headers)
        response.end(typeof reply.body === 'string' ? reply.body : JSON.stringify(reply.body ?? { errors: [] }))
      }),
    )
    await new Promise<void>((resolve) => vault.#server.listen(0, '127.0.0.1', resolve))
    return vault
  }

  get address(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** How often something below this path was asked. */
  count(path: string): number {
    return this.asked.filter((asked) => asked.path.startsWith(path)).length
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    this.#server.closeAllConnections()
    await closed
  }
}

function usual({ path, token }: Asked): Reply {
  if (path === 'auth/token/lookup-self')
    return token === TOKEN ? { status: 200, body: { data: { accessor: 'own', ttl: 3600, renewable: false } } } : { status: 403 }
  if (path.startsWith('auth/token/create')) return { status: 200, body: { auth: CHILD } }
  if (path === 'auth/token/lookup-accessor') return { status: 200, body: { data: {} } }
  if (path === 'auth/token/revoke-accessor' || path === 'sys/leases/revoke') return { status: 204, body: '' }
  return { status: 404 }
}
