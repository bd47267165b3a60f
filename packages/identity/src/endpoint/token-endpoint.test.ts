// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RunEvent } from '@sallyport/core'
import { identity } from '../_identity.ts'
import type { Minted, MintRequest, TokenMinter } from '../contract.ts'
import { IdentityError } from '../identity-error.ts'
import type { AudienceGrant, GateDelivery, StepTokens, TokenRequest, TokenResponse } from './contract.ts'
import { REQUESTS } from './request-budget.ts'
import { TokenEndpoint } from './token-endpoint.ts'

const URL_TEXT = 'http://token.sallyport.internal/token'
const [FIRST, SECOND] = ['198.18.1.7', '198.18.1.8']
const VAULT = 'https://vault.example.test'
const CLOUD = 'sts.example.test'

/** Makes texts; what is tested here is who gets one. */
class FakeMinter implements TokenMinter {
  readonly asked: MintRequest[] = []
  fails: Error | null = null
  before: () => Promise<void> = async () => undefined

  async mint(request: MintRequest): Promise<Minted> {
    this.asked.push(request)
    await this.before()
    if (this.fails !== null) throw this.fails
    const token = `token.${this.asked.length}.x`
    const facts = {
      kid: 'k',
      algorithm: request.algorithm ?? 'RS256',
      jti: `j${this.asked.length}`,
      subject: 's',
      expiresAtS: 1000,
    } as const
    return {
      ...facts,
      audience: request.audience,
      token,
      placeholder: request.as === 'placeholder' ? `placeholder.${this.asked.length}.x` : null,
    }
  }
}

class World {
  readonly minter = new FakeMinter()
  readonly events: RunEvent[] = []
  readonly delivered: GateDelivery[] = []
  nowMs = 0
  observe: (event: RunEvent) => Promise<void> = async (event) => void this.events.push(event)
  deliver: (delivery: GateDelivery) => Promise<void> = async (delivery) => void this.delivered.push(delivery)
  readonly endpoint = new TokenEndpoint({
    url: URL_TEXT,
    minter: this.minter,
    observe: (event) => this.observe(event),
    deliver: (delivery) => this.deliver(delivery),
    nowMs: () => this.nowMs,
  })

  open(source: string, audiences: readonly AudienceGrant[] = [{ audience: VAULT, as: 'token' }], step = '2'): StepTokens {
    return this.endpoint.open(source, { identity: identity({ step }), audiences })
  }

  ask(source: string, tokens: Pick<StepTokens, 'url' | 'requestToken'>, audience?: string): Promise<TokenResponse> {
    const { pathname, search } = new URL(tokens.url)
    const target = `${pathname}${search}${audience === undefined ? '' : `&audience=${encodeURIComponent(audience)}`}`
    return this.endpoint.handle(request(target, `bearer ${tokens.requestToken}`), source)
  }

  /** Reasons and names of the events so far. */
  told(): string[] {
    return this.events.map(({ type, data }) => `${type}${data['reason'] === undefined ? '' : ` ${data['reason']}`}`)
  }
}

function request(target: string, authorization: string | null, method = 'GET'): TokenRequest {
  return { method, target, header: (name) => (name === 'authorization' ? authorization : null) }
}

function valueOf({ body }: TokenResponse): string {
  return (JSON.parse(body) as { value: string }).value
}

test('a step gets a token for what it was granted, and each one is told', async () => {
  const world = new World()
  using tokens = world.open(FIRST, [{ audience: VAULT, as: 'token', algorithm: 'EdDSA', lifetimeS: 60 }])
  const answer = await world.ask(FIRST, tokens, VAULT)
  assert.deepEqual([answer.status, valueOf(answer), answer.headers['cache-control']], [200, 'token.1.x', 'no-store'])
  assert.deepEqual(world.minter.asked, [{ identity: identity(), audience: VAULT, as: 'token', algorithm: 'EdDSA', lifetimeS: 60 }])
  assert.deepEqual(world.events, [
    {
      type: 'identity.minted',
      job: 'publish',
      step: '2',
      data: { audience: VAULT, as: 'token', algorithm: 'EdDSA', kid: 'k', jti: 'j1', subject: 's', expiresAt: '1970-01-01T00:16:40.000Z' },
    },
  ])
})

test('without an audience, the only one is meant; of several none', async () => {
  const world = new World()
  using one = world.open(FIRST)
  assert.equal((await world.ask(FIRST, one)).status, 200)
  using several = world.open(SECOND, [
    { audience: VAULT, as: 'token' },
    { audience: CLOUD, as: 'token' },
  ])
  assert.equal((await world.ask(SECOND, several)).status, 403)
  assert.equal((await world.ask(SECOND, several, CLOUD)).status, 200)
  assert.deepEqual(world.told(), ['identity.minted', 'identity.refused audience-not-granted', 'identity.minted'])
})

test('a stolen request token is worth nothing from another step, of which it says so', async () => {
  const world = new World()
  using first = world.open(FIRST)
  using second = world.open(SECOND, [{ audience: CLOUD, as: 'token' }], '3')
  for (const audience of [VAULT, CLOUD, undefined])
    assert.equal((await world.ask(SECOND, { ...second, requestToken: first.requestToken }, audience)).status, 401)
  assert.equal((await world.ask('198.18.1.9', first, VAULT)).status, 403)
  assert.deepEqual(world.told(), [...Array.from({ length: 3 }, () => 'identity.refused foreign-token'), 'identity.refused no-grant'])
  assert.deepEqual([world.events[0]?.step, world.events[0]?.data['source'], world.events[3]?.data['source']], ['3', SECOND, '198.18.1.9'])
  assert.equal(world.minter.asked.length, 0)
})

test('an audience is compared as a whole', async () => {
  const world = new World()
  using tokens = world.open(FIRST)
  for (const audience of [
    `${VAULT}/`,
    VAULT.toUpperCase(),
    `${VAULT}.evil.example.test`,
    'https://vault',
    '*',
    `${VAULT}\n`,
    'x'.repeat(3000),
  ])
    assert.equal((await world.ask(FIRST, tokens, audience)).status, 403, audience)
  assert.equal(world.minter.asked.length, 0)
  assert.ok(world.events.every(({ data }) => String(data['audience']).length <= 255 && !String(data['audience']).includes('\n')))
})

test('requests that are none of the protocol get nothing', async () => {
  const world = new World()
  using tokens = world.open(FIRST)
  const good = `bearer ${tokens.requestToken}`
  const path = '/token?api-version=2.0'
  const cases: readonly (readonly [TokenRequest, number])[] = [
    [request(path, good, 'POST'), 405],
    [request(path, null), 401],
    [request(path, 'basic eA=='), 401],
    [request(path, `bearer ${tokens.requestToken} x`), 401],
    [request(path, `bearer ${tokens.requestToken}x`), 401],
    [request(path, `bearer ${'x'.repeat(10_000)}`), 401],
    [request('/other?api-version=2.0', good), 404],
    [request('/token/../token', good), 404],
    [request('http://elsewhere.example.test/token', good), 404],
    [request(`${path}&audience=${encodeURIComponent(VAULT)}&audience=x`, good), 400],
    [request(`${path}&audience=`, good), 400],
    [request(`${path}&audience=${'x'.repeat(5000)}`, good), 414],
  ]
  for (const [asked, status] of cases) {
    const answer = await world.endpoint.handle(asked, FIRST)
    assert.equal(answer.status, status, asked.target)
    assert.equal(typeof (JSON.parse(answer.body) as { message: unknown }).message, 'string')
  }
  assert.equal(world.events.length, cases.length)
  assert.equal(world.minter.asked.length, 0)
  assert.equal((await world.endpoint.handle(request(path, `Bearer ${tokens.requestToken}`), FIRST)).status, 200)
})

test('a step that has ended gets nothing, not even what was being made for it', async () => {
  const world = new World()
  const tokens = world.open(FIRST, [{ audience: VAULT, as: 'placeholder' }])
  const made = Promise.withResolvers<void>()
  world.minter.before = () => made.promise
  const asked = world.ask(FIRST, tokens)
  tokens[Symbol.dispose]()
  using next = world.open(FIRST, [{ audience: VAULT, as: 'placeholder' }])
  made.resolve()
  assert.equal((await asked).status, 403)
  assert.deepEqual(world.told(), ['identity.minted', 'identity.refused step-ended'])
  assert.deepEqual(world.delivered, [])
  assert.equal((await world.ask(FIRST, { ...next, requestToken: tokens.requestToken })).status, 401)
  assert.equal((await world.ask(FIRST, next)).status, 200)
})

test('the gate gets the token, and the step what stands for it, in this order', async () => {
  const world = new World()
  using tokens = world.open(FIRST, [{ audience: VAULT, as: 'placeholder' }])
  const knows = Promise.withResolvers<void>()
  world.deliver = async (delivery) => {
    await knows.promise
    world.delivered.push(delivery)
  }
  let answered = false
  const asked = world.ask(FIRST, tokens).then((answer) => {
    answered = true
    return answer
  })
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(answered, false)
  knows.resolve()
  assert.equal(valueOf(await asked), 'placeholder.1.x')
  assert.deepEqual(world.delivered, [
    { source: FIRST, audience: VAULT, placeholder: 'placeholder.1.x', token: 'token.1.x', expiresAtS: 1000 },
  ])
  assert.ok(!JSON.stringify(world.events).includes('token.1.x'))
})

test('nothing goes out that is not recorded', async () => {
  const world = new World()
  using tokens = world.open(FIRST, [{ audience: VAULT, as: 'placeholder' }])
  world.observe = async () => {
    throw new Error('the disk is full')
  }
  await assert.rejects(world.ask(FIRST, tokens), /the disk is full/)
  assert.deepEqual(world.delivered, [])
})

test('a minter that is gone or refuses is told, and no token goes out', async () => {
  const world = new World()
  using tokens = world.open(FIRST)
  world.minter.fails = new IdentityError('IDENTITY_LOST', 'The minter is gone')
  const answer = await world.ask(FIRST, tokens)
  assert.equal(answer.status, 500)
  assert.doesNotMatch(answer.body, /minter/)
  assert.deepEqual(world.events[0]?.data, {
    reason: 'mint-failed',
    source: FIRST,
    audience: VAULT,
    code: 'IDENTITY_LOST',
    message: 'The minter is gone',
  })
  world.minter.fails = new TypeError('a defect')
  await assert.rejects(world.ask(FIRST, tokens), TypeError)
})

test('a job that asks without end makes neither tokens nor events without end', async () => {
  const world = new World()
  using other = world.open(SECOND)
  {
    using tokens = world.open(FIRST)
    for (let count = 0; count < REQUESTS.burst; count += 1) assert.equal((await world.ask(FIRST, tokens)).status, 200)
    for (let count = 0; count < 500; count += 1) assert.equal((await world.ask(FIRST, tokens)).status, 429)
    assert.equal(world.events.length, REQUESTS.burst + 1)
    assert.equal((await world.ask(SECOND, other)).status, 200)
    world.nowMs += 1000
    assert.equal((await world.ask(FIRST, tokens)).status, 200)
    assert.deepEqual(world.events.at(-2)?.data, { reason: 'too-many', source: FIRST, requests: 499 })
    for (let count = 0; count < 10; count += 1) await world.ask(FIRST, tokens)
  }
  assert.deepEqual(world.events.at(-1)?.data, { reason: 'too-many', source: FIRST, requests: 9 })
  assert.equal(world.minter.asked.length, REQUESTS.burst + 2)
})

test('sources without a grant share one bound, however many a job makes of them', async () => {
  const world = new World()
  const nobody = { url: `${URL_TEXT}?api-version=2.0`, requestToken: 'x' }
  for (let count = 1; count <= 500; count += 1) await world.ask(`198.18.2.${count}`, nobody)
  assert.equal(world.events.length, REQUESTS.burst + 1)
})

test('grants that cannot be kept are mistakes of ours', () => {
  const world = new World()
  using _open = world.open(FIRST)
  assert.throws(() => world.open(FIRST), TypeError)
  assert.throws(() => world.open(SECOND, []), TypeError)
  for (const audience of ['', 'a b', '*']) assert.throws(() => world.open(SECOND, [{ audience, as: 'token' }]), TypeError)
  const twice = [
    { audience: VAULT, as: 'token' },
    { audience: VAULT, as: 'placeholder' },
  ] as const
  assert.throws(() => world.open(SECOND, twice), TypeError)
  const withoutGate = new TokenEndpoint({ url: URL_TEXT, minter: world.minter, observe: world.observe, deliver: null, nowMs: () => 0 })
  assert.throws(() => withoutGate.open(FIRST, { identity: identity(), audiences: [{ audience: VAULT, as: 'placeholder' }] }), TypeError)
})
