// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import type { AwsKey } from '@sallyport/gate'
import { ask } from '@sallyport/http'
import { motoPackages } from '../../scripts/servers/moto.ts'
import { freePort, UnprivilegedServer, until } from './_unprivileged.ts'

/** moto: an emulator of AWS that others wrote, as a server. As an administrator, tests ask it unsigned: it does not look. */
export class Moto implements AsyncDisposable {
  readonly address: string
  readonly #server: UnprivilegedServer

  private constructor(server: UnprivilegedServer, address: string) {
    this.#server = server
    this.address = address
  }

  static async start(): Promise<Moto> {
    const packages = motoPackages() ?? assert.fail('moto is not there: run make test-servers')
    const server = new UnprivilegedServer('moto')
    const port = String(await freePort())
    const path = server.bringDirectory(packages, 'packages')
    server.start('/usr/bin/env', [`PYTHONPATH=${path}`, '/usr/bin/python3', '-m', 'moto.server', '-H', '127.0.0.1', '-p', port])
    const moto = new Moto(server, `http://127.0.0.1:${port}`)
    await until(`moto answers; it said: ${server.output}`, () => moto.#answers(), 600)
    return moto
  }

  /** A file of this server's directory, readable for the test. */
  file(name: string): string {
    return this.#server.file(name)
  }

  /** An action of Secrets Manager. What fails there fails the test. */
  async secrets(action: string, body: object): Promise<Readonly<Record<string, unknown>>> {
    const headers = {
      'content-type': 'application/x-amz-json-1.1',
      'x-amz-target': `secretsmanager.${action}`,
      authorization: unsigned('secretsmanager'),
    }
    return JSON.parse(await this.#ask(headers, JSON.stringify(body))) as Record<string, unknown>
  }

  /** An action of IAM, as XML. */
  iam(form: Readonly<Record<string, string>>): Promise<string> {
    const headers = { 'content-type': 'application/x-www-form-urlencoded', authorization: unsigned('iam') }
    return this.#ask(headers, String(new URLSearchParams({ Version: '2010-05-08', ...form })))
  }

  /** A user with this policy, and a key of it. */
  async keyOf(user: string, policy: string): Promise<AwsKey> {
    await this.iam({ Action: 'CreateUser', UserName: user })
    await this.iam({ Action: 'PutUserPolicy', UserName: user, PolicyName: user, PolicyDocument: policy })
    const answer = await this.iam({ Action: 'CreateAccessKey', UserName: user })
    const textOf = (element: string): string => new RegExp(`<${element}>([^<]*)<`).exec(answer)?.[1] ?? assert.fail(answer)
    return { accessKeyId: textOf('AccessKeyId'), secretAccessKey: textOf('SecretAccessKey'), sessionToken: null }
  }

  /** From now on, moto refuses what is not signed by a key that it knows. */
  async checkSignatures(): Promise<void> {
    const limits = { timeoutMs: 60_000, answerBytesMax: 4 * 2 ** 20 }
    const { status } = await ask({
      method: 'POST',
      url: `${this.address}/moto-api/reset-auth`,
      headers: {},
      body: Buffer.from('0'),
      ...limits,
    })
    assert.equal(status, 200)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]()
  }

  async #ask(headers: Readonly<Record<string, string>>, body: string): Promise<string> {
    const limits = { timeoutMs: 60_000, answerBytesMax: 4 * 2 ** 20 }
    const reply = await ask({ method: 'POST', url: `${this.address}/`, headers, body: Buffer.from(body), ...limits })
    const text = Buffer.from(reply.body).toString('utf8')
    assert.equal(reply.status, 200, text)
    return text
  }

  async #answers(): Promise<boolean> {
    const question = { method: 'GET', headers: {}, body: null, timeoutMs: 5000, answerBytesMax: 4 * 2 ** 20 }
    return ask({ ...question, url: `${this.address}/moto-api/data.json` }).then(
      ({ status }) => status === 200,
      () => false,
    )
  }
}

/** By the scope of a signature moto knows which service is meant. */
function unsigned(service: string): string {
  return `AWS4-HMAC-SHA256 Credential=administrator/20260101/eu-central-1/${service}/aws4_request, SignedHeaders=host, Signature=none`
}
