// SPDX-License-Identifier: Apache-2.0
// The client that actions use, over HTTP, with a minter's process behind the endpoint.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { getIDToken } from '@actions/core'
import type { RunEvent } from '@sallyport/core'
import { createLocalJWKSet, decodeJwt, jwtVerify } from 'jose'
import { ISSUER, identity, temporaryDirectory } from '../_identity.ts'
import { jwksDocument } from '../discovery/documents.ts'
import { readRing } from '../keys/ring-file.ts'
import { startMinter } from '../minter.spawn.ts'
import type { GateDelivery } from './contract.ts'
import { TokenEndpoint } from './token-endpoint.ts'

const VAULT = 'https://vault.example.test/v1?x=1&y=%C3%BC'
const CLOUD = 'sts.example.test'

interface Served {
  readonly endpoint: TokenEndpoint
  readonly directory: string
  readonly events: RunEvent[]
  readonly delivered: GateDelivery[]
  /** The step that the requests come from: the gate knows it by the source address. */
  source: string
}

async function serve(t: TestContext): Promise<Served> {
  const directory = temporaryDirectory(t)
  const minter = await startMinter(directory, ISSUER)
  t.after(() => minter[Symbol.dispose]())
  const server = createServer((incoming, response) => {
    const header = (name: string): string | null => {
      const value = incoming.headers[name]
      return typeof value === 'string' ? value : null
    }
    served.endpoint.handle({ method: incoming.method ?? '', target: incoming.url ?? '', header }, served.source).then(
      ({ status, headers, body }) => response.writeHead(status, headers).end(body),
      () => response.writeHead(500).end(),
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`
  const events: RunEvent[] = []
  const delivered: GateDelivery[] = []
  const observe = async (event: RunEvent): Promise<void> => void events.push(event)
  const deliver = async (delivery: GateDelivery): Promise<void> => void delivered.push(delivery)
  const endpoint = new TokenEndpoint({ url, minter, observe, deliver, nowMs: () => performance.now() })
  const served: Served = { endpoint, directory, events, delivered, source: '198.18.1.1' }
  return served
}

/** As the environment of a step. */
function give(t: TestContext, { url, requestToken }: { readonly url: string; readonly requestToken: string }): void {
  process.env['ACTIONS_ID_TOKEN_REQUEST_URL'] = url
  process.env['ACTIONS_ID_TOKEN_REQUEST_TOKEN'] = requestToken
  t.after(() => {
    delete process.env['ACTIONS_ID_TOKEN_REQUEST_URL']
    delete process.env['ACTIONS_ID_TOKEN_REQUEST_TOKEN']
  })
}

async function verify(token: string, directory: string, audience: string): Promise<Record<string, unknown>> {
  const ring = await readRing(directory)
  assert.ok(ring !== null)
  const keys = createLocalJWKSet(JSON.parse(jwksDocument(ring, Math.floor(Date.now() / 1000))) as Parameters<typeof createLocalJWKSet>[0])
  return (await jwtVerify(token, keys, { issuer: ISSUER, audience })).payload
}

test('getIDToken of @actions/core gets a token that verifies, with and without an audience', async (t) => {
  const served = await serve(t)
  using tokens = served.endpoint.open(served.source, { identity: identity(), audiences: [{ audience: VAULT, as: 'token' }] })
  give(t, tokens)
  for (const audience of [VAULT, undefined]) {
    const payload = await verify(await getIDToken(audience), served.directory, VAULT)
    assert.deepEqual([payload['sub'], payload['aud']], ['repo:acme/app:ref:refs/heads/main', VAULT])
  }
  assert.equal(served.events.length, 2)
})

test('it fails with what was refused, and from another step in any case', async (t) => {
  const served = await serve(t)
  using tokens = served.endpoint.open(served.source, { identity: identity(), audiences: [{ audience: VAULT, as: 'token' }] })
  give(t, tokens)
  await assert.rejects(getIDToken(CLOUD), /403|no token for that audience/)
  served.source = '198.18.1.2'
  await assert.rejects(getIDToken(VAULT), /403|may ask for no token/)
  using _other = served.endpoint.open(served.source, { identity: identity({ step: '3' }), audiences: [{ audience: VAULT, as: 'token' }] })
  await assert.rejects(getIDToken(VAULT), /401|not the request token/)
  assert.deepEqual(
    served.events.map(({ data }) => data['reason']),
    ['audience-not-granted', 'no-grant', 'foreign-token'],
  )
})

test('behind the gate it gets a placeholder that reads like the token', async (t) => {
  const served = await serve(t)
  using tokens = served.endpoint.open(served.source, { identity: identity(), audiences: [{ audience: VAULT, as: 'placeholder' }] })
  give(t, tokens)
  const placeholder = await getIDToken(VAULT)
  const [delivery] = served.delivered
  assert.equal(delivery?.placeholder, placeholder)
  await assert.rejects(verify(placeholder, served.directory, VAULT))
  assert.deepEqual(decodeJwt(placeholder), await verify(delivery?.token ?? '', served.directory, VAULT))
})
