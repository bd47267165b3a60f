// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { ask } from '@sallyport/http'
import { openBaoProgram } from '../../scripts/servers/openbao.ts'
import { makeServerCertificate } from './_authority.ts'
import { freePort, UnprivilegedServer, until } from './_unprivileged.ts'

export interface AdminAnswer {
  readonly status: number
  // biome-ignore lint/suspicious/noExplicitAny: what a test reads of an answer, it asserts
  readonly body: any
}

export interface OpenBaoOptions {
  /** Keeps nothing, speaks plain HTTP, and needs no unsealing. */
  readonly mode: 'dev' | 'kept'
}

/** A real OpenBao server. As an administrator, tests ask it with its root token. */
export class OpenBao implements AsyncDisposable {
  readonly address: string
  /** A file; null in the clear. */
  readonly authority: string | null
  readonly auditLog: string
  #rootToken = ''
  #unsealKey = ''
  readonly #server: UnprivilegedServer

  private constructor(server: UnprivilegedServer, { address, authority }: { address: string; authority: string | null }) {
    this.#server = server
    this.address = address
    this.authority = authority
    this.auditLog = server.file('audit.log')
  }

  static async start({ mode }: OpenBaoOptions): Promise<OpenBao> {
    const program = openBaoProgram() ?? assert.fail('OpenBao is not there: run make test-servers')
    const server = new UnprivilegedServer('openbao')
    const port = await freePort()
    const command = server.bring(program, 'bao')
    const bao = mode === 'dev' ? startDev(server, { command, port }) : startKept(server, { command, port, clusterPort: await freePort() })
    const started = new OpenBao(server, bao)
    await started.#untilItAnswers()
    if (mode === 'dev') started.#rootToken = DEV_TOKEN
    else await started.#init()
    return started
  }

  get rootToken(): string {
    return this.#rootToken
  }

  /** A file of this server's directory, readable for the test. */
  file(name: string, content: string): string {
    const path = this.#server.file(name)
    writeFileSync(path, content)
    return path
  }

  async raw(
    method: string,
    path: string,
    body: object | null = null,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<AdminAnswer> {
    const reply = await ask({
      method,
      url: `${this.address}/v1/${path}`,
      headers: { 'x-vault-token': this.#rootToken, ...headers },
      body: body === null ? null : Buffer.from(JSON.stringify(body)),
      timeoutMs: 30_000,
      answerBytesMax: 4 * 2 ** 20,
      ...(this.authority !== null && { ca: readFileSync(this.authority, 'utf8') }),
    })
    const text = Buffer.from(reply.body).toString('utf8')
    return { status: reply.status, body: text === '' ? null : JSON.parse(text) }
  }

  /** What has to succeed. A mount of KV version 2 is not there at once. */
  async admin(
    method: string,
    path: string,
    body: object | null = null,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<AdminAnswer['body']> {
    let answer = await this.raw(method, path, body, headers)
    for (
      let attempt = 0;
      attempt < 100 && answer.status === 400 && /Upgrading from non-versioned/.test(JSON.stringify(answer.body));
      attempt++
    ) {
      await new Promise((resolve) => setTimeout(resolve, 100))
      answer = await this.raw(method, path, body, headers)
    }
    assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
    return answer.body
  }

  async policy(name: string, rules: Readonly<Record<string, readonly string[]>>): Promise<void> {
    const policy = Object.entries(rules).map(([path, capabilities]) => `path "${path}" { capabilities = ${JSON.stringify(capabilities)} }`)
    await this.admin('POST', `sys/policies/acl/${name}`, { policy: policy.join('\n') })
  }

  async unseal(): Promise<void> {
    await this.admin('PUT', 'sys/unseal', { key: this.#unsealKey })
    await until('the server is active', async () => (await this.raw('GET', 'sys/health')).status === 200)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]()
  }

  async #untilItAnswers(): Promise<void> {
    const answers = (): Promise<boolean> =>
      this.raw('GET', 'sys/seal-status').then(
        ({ body }) => typeof body?.initialized === 'boolean',
        () => false,
      )
    await until('OpenBao answers', answers).catch((error: unknown) => assert.fail(`${error}\n${this.#server.output}`))
  }

  async #init(): Promise<void> {
    const { keys, root_token: root } = await this.admin('PUT', 'sys/init', { secret_shares: 1, secret_threshold: 1 })
    this.#unsealKey = keys[0]
    this.#rootToken = root
    await this.unseal()
  }
}

const DEV_TOKEN = 'dev-root-token'

interface Start {
  readonly command: string
  readonly port: number
}

function startDev(server: UnprivilegedServer, { command, port }: Start): { address: string; authority: null } {
  server.start(command, [
    'server',
    '-dev',
    '-dev-no-store-token',
    `-dev-root-token-id=${DEV_TOKEN}`,
    `-dev-listen-address=127.0.0.1:${port}`,
  ])
  return { address: `http://127.0.0.1:${port}`, authority: null }
}

/** On disk, over TLS, with an audit device. */
function startKept(
  server: UnprivilegedServer,
  { command, port, clusterPort }: Start & { clusterPort: number },
): { address: string; authority: string } {
  const { authority, certificate, key } = makeServerCertificate(server.directory)
  chmodSync(key, 0o644)
  server.run('mkdir', ['data'])
  const config = server.file('config.hcl')
  writeFileSync(
    config,
    `storage "raft" {
  path = "${server.file('data')}"
  node_id = "one"
}
listener "tcp" {
  address = "127.0.0.1:${port}"
  tls_cert_file = "${certificate}"
  tls_key_file = "${key}"
}
audit "file" "main" {
  options = { file_path = "${server.file('audit.log')}" }
}
api_addr = "https://127.0.0.1:${port}"
cluster_addr = "https://127.0.0.1:${clusterPort}"
`,
  )
  server.start(command, ['server', '-config', config])
  return { address: `https://127.0.0.1:${port}`, authority }
}
