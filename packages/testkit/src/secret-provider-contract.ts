// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { inspect } from 'node:util'
import { queryObjects } from 'node:v8'
import {
  type JobIdentity,
  type ProviderSession,
  type ReadSecret,
  SECRET_BYTES_MAX,
  type SecretAddress,
  type SecretProvider,
} from '@sallyport/secrets'

/** What is wrong with a manager, or with our standing there, and what a read has to say of it. */
const TROUBLES = {
  /** Nobody listens. */
  unreachable: 'PROVIDER_UNREACHABLE',
  /** It takes the request and says nothing. */
  silent: 'PROVIDER_TIMEOUT',
  /** Its certificate is not one of the authority that the operator named. */
  'wrong-certificate': 'PROVIDER_CERTIFICATE',
  /** Our own credential is wrong, or has expired. */
  'login-refused': 'PROVIDER_LOGIN_REFUSED',
  /** Our credential is good, and may not read what is asked for. */
  denied: 'PROVIDER_DENIED',
  /** It is asked too much, and goes on saying so. */
  'rate-limited': 'PROVIDER_RATE_LIMITED',
  sealed: 'PROVIDER_SEALED',
  /** It answers with success and a page of HTML. */
  nonsense: 'PROVIDER_FAILED',
  /** It answers with success and does not stop. */
  endless: 'PROVIDER_FAILED',
} as const

export type Trouble = keyof typeof TROUBLES

/** What not every manager can. */
export type Ability =
  | Trouble
  /** A secret of several named fields. */
  | 'fields'
  | 'versions'
  | 'binary'
  /** It can be made to hold a value without bytes. */
  | 'empty'
  /** It can be made to hold a value of more than {@link SECRET_BYTES_MAX}, up to 1 MiB. */
  | 'large'
  /** It makes accounts, certificates or keys on demand. */
  | 'leases'
  /** Leases can be made to last longer. */
  | 'renewal'
  /** It can be asked whether a handle still stands for a session. */
  | 'session-state'

/** A manager that runs, with a provider of it that works. */
export interface ProviderSubject extends AsyncDisposable {
  /** A provider of its own each time, as after a restart of the broker. */
  open(): Promise<SecretProvider>
  /** Stores as the operator would (once more under a name: a new version), and says where it is: with neither field nor version. */
  store(name: string, content: Uint8Array | Readonly<Record<string, string>>): Promise<SecretAddress>
  /** Where nothing is stored, and where we might read if there were. */
  readonly missing: SecretAddress
  /** The most that a value may have here. */
  readonly valueBytesMax: number
  /** Every credential of the provider: none may stand in an error. */
  readonly credentials: readonly string[]
  /** A provider in trouble, and what is read with it. */
  troubled?(trouble: Trouble): Promise<{ readonly provider: SecretProvider; readonly address: SecretAddress }>
  readonly leased?: {
    /** With the field named where what is made has several. */
    readonly address: SecretAddress
    /** Whether what was made for this read lets in who has it, asked where it is used, not at the manager. */
    isLive(read: ReadSecret): Promise<boolean>
  }
  isSessionLive?(handle: string): Promise<boolean>
}

export interface ProviderContractOptions {
  start(): Promise<ProviderSubject>
  /** What this manager cannot, with why: it is printed with each test that is left out for it. */
  readonly unable?: Partial<Readonly<Record<Ability, string>>>
}

const IDENTITY: JobIdentity = { run: 'run-1', job: 'build', repository: 'acme/widgets', ref: 'refs/heads/main', token: null }
const TTL_MS = 5 * 60_000
const signal = (): AbortSignal => AbortSignal.timeout(60_000)
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
const field = (address: SecretAddress, name: string): SecretAddress => ({ ...address, field: name })

type OpenSession = (provider: SecretProvider) => Promise<{ readonly session: ProviderSession; readonly handle: string }>

const openSession: OpenSession = async (provider) => {
  const handles: string[] = []
  const note = async (handle: string): Promise<void> => void handles.push(handle)
  const session = await provider.openSession({ identity: IDENTITY, ttlMs: TTL_MS, note }, signal())
  const [handle = ''] = handles
  assert.equal(handles.length, 1, 'a session has one handle, noted once')
  return { session, handle }
}

const isErrorWith =
  (code: string) =>
  (error: unknown): boolean =>
    assert.equal((error as { code?: string }).code, code, inspect(error)) === undefined

/** Every duty of `SecretProvider` and `ProviderSession` in packages/secrets/src/contract.ts that does not depend on whose manager it is. */
export function secretProviderContract(name: string, { start, unable = {} }: ProviderContractOptions): void {
  describe(`the secret provider ${name}`, { timeout: 180_000 }, () => {
    let subject: ProviderSubject | undefined
    const running = (): ProviderSubject => subject ?? assert.fail('it did not start')
    const skip = (...abilities: readonly Ability[]): { skip: string | false } => ({
      skip: abilities.map((ability) => unable[ability]).find((reason) => reason !== undefined) ?? false,
    })
    before(async () => {
      subject = await start()
    })
    after(() => subject?.[Symbol.asyncDispose]())
    describe('a stored value', () => valueDuties(running, skip))
    describe('in trouble', () => troubleDuties(running, skip))
    describe('a session', () => sessionDuties(running))
    describe('the end of a session', () => endDuties(running, skip))
    describe('what is made on demand', () => leaseDuties(running, skip))
  })
}

type Skip = (...abilities: readonly Ability[]) => { skip: string | false }

/** One read in a session of its own. */
async function readOnce(subject: ProviderSubject, address: SecretAddress): Promise<ReadSecret> {
  await using provider = await subject.open()
  const { session } = await openSession(provider)
  try {
    return await session.read(address, signal())
  } finally {
    await session.end(signal())
  }
}

function valueDuties(subject: () => ProviderSubject, skip: Skip): void {
  it('is read to the byte, has no lease, and is its only field', async () => {
    const value = utf8(` ${randomBytes(24).toString('base64url')} ü€𝄞\t"\\'$(x)\n`)
    const read = await readOnce(subject(), await subject().store('plain', value))
    assert.deepEqual([[...read.fields.values()].map((bytes) => Buffer.from(bytes)), read.lease], [[Buffer.from(value)], null])
  })

  it('may be the letter "a"', async () => {
    assert.deepEqual([...(await readOnce(subject(), await subject().store('letter', utf8('a')))).fields.values()].map(String), ['97'])
  })

  it('may be any bytes', skip('binary'), async () => {
    const value = Uint8Array.from([0, 255, 128, 10, 13, 0xc3, 0x28, ...randomBytes(64), 0])
    const [found] = (await readOnce(subject(), await subject().store('binary', value))).fields.values()
    assert.deepEqual(Buffer.from(found ?? []), Buffer.from(value))
  })

  it('may have as many bytes as we take, or as the manager does', async () => {
    const length = Math.min(SECRET_BYTES_MAX, subject().valueBytesMax)
    const value = utf8(randomBytes(length).toString('hex').slice(0, length))
    const [found] = (await readOnce(subject(), await subject().store('full', value))).fields.values()
    assert.deepEqual(Buffer.from(found ?? []), Buffer.from(value))
  })

  it('is refused with more bytes than that', skip('large'), async () => {
    for (const length of [SECRET_BYTES_MAX + 1, Math.min(2 ** 20, subject().valueBytesMax)]) {
      const address = await subject().store('large', utf8('x'.repeat(length)))
      await assert.rejects(readOnce(subject(), address), isErrorWith('SECRET_TOO_LARGE'), String(length))
    }
  })

  it('is refused without bytes', skip('empty'), async () => {
    const address = await subject().store('empty', utf8(''))
    await assert.rejects(readOnce(subject(), address), isErrorWith('SECRET_EMPTY'))
  })

  it('that is not there is named as such', async () => {
    await assert.rejects(readOnce(subject(), subject().missing), isErrorWith('SECRET_NOT_FOUND'))
  })

  it('of several fields is read by the field that is named', skip('fields'), async () => {
    const address = await subject().store('fields', { user: 'deploy', password: 'p ü"\\' })
    const { fields } = await readOnce(subject(), field(address, 'password'))
    assert.equal(Buffer.from(fields.get('password') ?? []).toString(), 'p ü"\\')
    await assert.rejects(readOnce(subject(), field(address, 'token')), isErrorWith('SECRET_FIELD_MISSING'))
    await assert.rejects(readOnce(subject(), address), isErrorWith('SECRET_FIELD_MISSING'))
  })

  it('has no field of the names that every object inherits', skip('fields'), async () => {
    const address = await subject().store('inherits', { user: 'deploy' })
    for (const name of ['constructor', '__proto__', 'toString'])
      await assert.rejects(readOnce(subject(), field(address, name)), isErrorWith('SECRET_FIELD_MISSING'), name)
  })

  it('is the newest one, unless an older version is named', skip('versions'), async () => {
    const address = await subject().store('versions', utf8('first'))
    const first = await readOnce(subject(), address)
    await subject().store('versions', utf8('second'))
    const second = await readOnce(subject(), address)
    const again = await readOnce(subject(), { ...address, version: first.version })
    const texts = [first, second, again].map(({ fields }) => [...fields.values()].map((bytes) => Buffer.from(bytes).toString()).join())
    assert.deepEqual(texts, ['first', 'second', 'first'])
    assert.deepEqual([first.version === second.version, again.version], [false, first.version])
  })

  it('has no version that nobody wrote', skip('versions'), async () => {
    const address = await subject().store('versions', utf8('third'))
    for (const version of ['4242', 'no-such-version', '-1', '../1'])
      await assert.rejects(readOnce(subject(), { ...address, version }), isErrorWith('SECRET_VERSION_NOT_FOUND'), version)
  })

  it('stays where it is: no path leads elsewhere', async () => {
    const { path } = await subject().store('aside', utf8('not for them'))
    const { path: missing } = subject().missing
    const attempts = [`${missing}/../${path}`, `/${path}/..`, `${missing}?list=true`, `${missing}%2f..`, `${missing}#x`, `${missing}\n`, '']
    for (const attempt of attempts)
      await assert.rejects(readOnce(subject(), { ...subject().missing, path: attempt }), isErrorWith('SECRET_NOT_FOUND'), attempt)
  })

  it('leaves no memory behind, however often it is read', async () => {
    const address = await subject().store('often', utf8('x'.repeat(8192)))
    await using provider = await subject().open()
    const { session } = await openSession(provider)
    const used: number[] = []
    for (let round = 0; round < 4; round++) {
      for (let reads = 0; reads < 100; reads++) await session.read(address, signal())
      used.push(memoryInUse())
    }
    await session.end(signal())
    // The values alone would be 2.4 MB
    assert.ok((used[3] ?? 0) - (used[0] ?? 0) < 1_200_000, used.join(' '))
  })
}

class Nothing {}

/** What stays after everything was collected that nobody holds: to count objects, V8 collects first. */
function memoryInUse(): number {
  queryObjects(Nothing, { format: 'count' })
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

function troubleDuties(subject: () => ProviderSubject, skip: Skip): void {
  for (const [trouble, code] of Object.entries(TROUBLES) as [Trouble, string][]) {
    it(`(${trouble}) says ${code}, and no credential`, skip(trouble), async () => {
      const { provider, address } =
        (await subject().troubled?.(trouble)) ?? assert.fail('its trouble is not declared as one that it cannot have')
      await using _ = provider
      const attempt = async (): Promise<ReadSecret> => (await openSession(provider)).session.read(address, signal())
      const error = await attempt().then(
        () => assert.fail('it was read'),
        (thrown: unknown) => thrown,
      )
      isErrorWith(code)(error)
      const told = inspect(error, { depth: null, showHidden: true })
      assert.deepEqual(
        subject().credentials.filter((credential) => told.includes(credential)),
        [],
      )
    })
  }
}

function sessionDuties(subject: () => ProviderSubject): void {
  it('is noted before it is there', async () => {
    await using provider = await subject().open()
    const noted = Promise.withResolvers<void>()
    const asked = Promise.withResolvers<void>()
    let isOpen = false
    const note = (handle: string): Promise<void> => {
      assert.notEqual(handle, '')
      asked.resolve()
      return noted.promise
    }
    const opening = provider.openSession({ identity: IDENTITY, ttlMs: TTL_MS, note }, signal()).then((session) => {
      isOpen = true
      return session
    })
    await asked.promise
    await new Promise((resolve) => setTimeout(resolve, 50))
    assert.equal(isOpen, false)
    noted.resolve()
    await (await opening).end(signal())
  })

  it('that cannot be noted is not opened, and nothing of it stays', async () => {
    await using provider = await subject().open()
    let handle = ''
    const note = (given: string): Promise<void> => {
      handle = given
      return Promise.reject(new Error('the disk is full'))
    }
    await assert.rejects(provider.openSession({ identity: IDENTITY, ttlMs: TTL_MS, note }, signal()), /the disk is full/)
    const isLive = await subject().isSessionLive?.(handle)
    assert.notEqual(isLive, true)
  })

  it('has a handle that reveals no credential, and is another one each time', async () => {
    await using provider = await subject().open()
    const [one, two] = await Promise.all([openSession(provider), openSession(provider)])
    assert.notEqual(one.handle, two.handle)
    for (const credential of subject().credentials) assert.ok(!one.handle.includes(credential))
    await Promise.all([one.session.end(signal()), two.session.end(signal())])
  })

  it('serves many reads at a time, each with its own answer', async () => {
    const stored = await Promise.all(Array.from({ length: 12 }, (_, index) => subject().store(`many-${index}`, utf8(`value ${index}`))))
    await using provider = await subject().open()
    const { session } = await openSession(provider)
    const reads = await Promise.all(stored.map((address) => session.read(address, signal())))
    const texts = reads.flatMap(({ fields }) => [...fields.values()].map((bytes) => Buffer.from(bytes).toString()))
    assert.deepEqual(
      texts,
      stored.map((_, index) => `value ${index}`),
    )
    await session.end(signal())
  })

  it('does not read for who has given up', async () => {
    const address = await subject().store('given-up', utf8('value'))
    await using provider = await subject().open()
    const { session } = await openSession(provider)
    await assert.rejects(session.read(address, AbortSignal.abort()), { name: 'AbortError' })
    const [found] = (await session.read(address, signal())).fields.values()
    assert.equal(Buffer.from(found ?? []).toString(), 'value')
    await session.end(signal())
  })
}

function endDuties(subject: () => ProviderSubject, skip: Skip): void {
  it('may be asked for more than once, and nothing is read after it', async () => {
    const address = await subject().store('ended', utf8('value'))
    await using provider = await subject().open()
    const { session, handle } = await openSession(provider)
    await session.end(signal())
    await Promise.all([session.end(signal()), session.end(signal()), provider.endSession(handle, signal())])
    await assert.rejects(session.read(address, signal()))
  })

  it('is brought about by a later process that knows its handle alone', skip('session-state'), async () => {
    await using first = await subject().open()
    const { handle } = await openSession(first)
    assert.equal(await subject().isSessionLive?.(handle), true)
    await using second = await subject().open()
    await second.endSession(handle, signal())
    assert.equal(await subject().isSessionLive?.(handle), false)
    await second.endSession(handle, signal())
  })

  it('of one that nobody knows is no error', async () => {
    await using provider = await subject().open()
    const { handle, session } = await openSession(provider)
    await session.end(signal())
    await provider.endSession(handle, signal())
    await provider.endSession(handle.replaceAll(/[0-9a-zA-Z]/g, 'x'), signal())
  })
}

function leaseDuties(subject: () => ProviderSubject, skip: Skip): void {
  /** Reads, hands over what was made, and ends the session in any case. */
  const within = async (use: (made: ReadSecret, session: ProviderSession, handle: string) => Promise<void>): Promise<void> => {
    await using provider = await subject().open()
    const { session, handle } = await openSession(provider)
    try {
      await use(await session.read(leased().address, signal()), session, handle)
    } finally {
      await session.end(signal())
    }
  }
  const leased = (): NonNullable<ProviderSubject['leased']> => subject().leased ?? assert.fail('leases are not declared as what it cannot')
  const leaseOf = ({ lease }: ReadSecret): NonNullable<ReadSecret['lease']> => lease ?? assert.fail('it has no lease')

  it('works, has an end within the job, and no version', skip('leases'), () =>
    within(async (made) => {
      assert.equal(await leased().isLive(made), true)
      const remainingMs = leaseOf(made).expiresAtMs - Date.now()
      assert.ok(remainingMs > 0 && remainingMs <= TTL_MS + 5000, String(remainingMs))
      assert.equal(made.version, null)
    }),
  )

  it('is another one each time', skip('leases'), () =>
    within(async (made, session) => {
      const other = await session.read(leased().address, signal())
      assert.notEqual(leaseOf(other).id, leaseOf(made).id)
      assert.deepEqual([await leased().isLive(made), await leased().isLive(other)], [true, true])
    }),
  )

  it('works no more once it is revoked, which may be asked for twice, while the rest goes on', skip('leases'), () =>
    within(async (made, session) => {
      const other = await session.read(leased().address, signal())
      await session.revoke(leaseOf(made), signal())
      assert.deepEqual([await leased().isLive(made), await leased().isLive(other)], [false, true])
      await session.revoke(leaseOf(made), signal())
    }),
  )

  it('can be made to last as long as the job, and not longer', skip('leases', 'renewal'), () =>
    within(async (made, session) => {
      const lease = leaseOf(made)
      assert.equal(lease.isRenewable, true)
      const renewed = await session.renew(lease, TTL_MS * 100, signal())
      assert.ok(renewed.expiresAtMs >= lease.expiresAtMs && renewed.expiresAtMs <= Date.now() + TTL_MS + 5000)
      assert.equal(renewed.id, lease.id)
      assert.equal(await leased().isLive(made), true)
    }),
  )

  it('ends with its session', skip('leases'), async () => {
    const lives: ReadSecret[] = []
    await within(async (made, session) => void lives.push(made, await session.read(leased().address, signal())))
    await assertEnded(subject(), lives)
  })

  it('ends when a later process ends the session by its handle', skip('leases'), async () => {
    const lives: ReadSecret[] = []
    await using provider = await subject().open()
    const { session, handle } = await openSession(provider)
    lives.push(await session.read(leased().address, signal()))
    await using later = await subject().open()
    await later.endSession(handle, signal())
    // The manager alone knows what was made, and ends it in the background
    await assertEnded(subject(), lives, 100)
    await assert.rejects(session.read(leased().address, signal()))
  })

  it('ends with its session when the field that was asked for is none of its own', skip('leases', 'fields'), async () => {
    await using provider = await subject().open()
    const { session } = await openSession(provider)
    await assert.rejects(session.read(field(leased().address, 'no-such-field'), signal()), isErrorWith('SECRET_FIELD_MISSING'))
    await session.end(signal())
  })
}

/** A provider that cannot end what it made says until when it lives. */
async function assertEnded(subject: ProviderSubject, made: readonly ReadSecret[], attempts = 1): Promise<void> {
  await using provider = await subject.open()
  for (const read of made) {
    if (provider.ending.kind === 'revoked') assert.equal(await livesOn(subject, read, attempts), false)
    else assert.ok((read.lease?.expiresAtMs ?? 0) <= Date.now() + provider.ending.ttlMs)
  }
}

async function livesOn(subject: ProviderSubject, read: ReadSecret, attempts: number): Promise<boolean> {
  for (let attempt = 1; await subject.leased?.isLive(read); attempt += 1) {
    if (attempt >= attempts) return true
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  return false
}
