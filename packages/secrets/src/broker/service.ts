// SPDX-License-Identifier: Apache-2.0
import { messageOf, SallyportError } from '@sallyport/core'
import { PROVIDER_TIMEOUT_MS, type ProviderPorts, type ReadSecret, type SecretProvider } from '../contract.ts'
import { openProvider } from '../providers/registry.ts'
import { SecretsError } from '../secrets-error.ts'
import { answerRotation } from './answer-rotation.ts'
import { Broker, type Ended, endNoted } from './broker.ts'
import { LeaseJournal } from './lease-journal.ts'
import type { Answer, BrokerConfig, BrokerEvent, Question } from './messages.ts'

/** Answers the supervisor's questions; any number at a time. */
export class BrokerService implements AsyncDisposable {
  readonly #ports: ProviderPorts
  readonly #openProvider: typeof openProvider
  readonly #observe: (event: BrokerEvent) => void
  readonly #providers = new Map<string, SecretProvider>()
  #config: BrokerConfig | null = null
  #journal: LeaseJournal | null = null
  #broker: Broker | null = null

  constructor(ports: ProviderPorts, observe: (event: BrokerEvent) => void, open: typeof openProvider = openProvider) {
    this.#ports = ports
    this.#openProvider = open
    this.#observe = observe
  }

  /** Never rejects for a provider's sake; a fault of ours ends the process, and the next broker sweeps. */
  async answer(question: Question): Promise<Answer> {
    try {
      return await this.#answer(question)
    } catch (error) {
      if (isDeadline(error))
        return { type: 'refused', code: 'PROVIDER_TIMEOUT', message: 'the secrets manager did not answer in time', hint: null }
      if (!(error instanceof SallyportError)) throw error
      return { type: 'refused', code: error.code, message: messageOf(error), hint: error.hint ?? null }
    }
  }

  async #answer(question: Question): Promise<Answer> {
    switch (question.type) {
      case 'configure':
        await this.#configure(question)
        return { type: 'done' }
      case 'open-job':
        this.#open.openJob(question.job, question.identity, question.ttlMs)
        return { type: 'done' }
      case 'read':
        return readAnswer(await this.#open.read(question))
      case 'end-step':
        return { type: 'ended', ...(await this.#open.endStep(question.job, question.step)) }
      case 'end-job':
        return { type: 'ended', ...(await this.#open.endJob(question.job)) }
      case 'sweep':
        return { type: 'ended', ...(await this.#sweep()) }
      case 'hash-marks':
        return { type: 'hashed', hashes: await this.#hashMarks(question) }
      case 'look':
      case 'rotate':
      case 'replace':
        return answerRotation(this.#provider(question.provider), question, this.#observe)
    }
  }

  async #configure(config: BrokerConfig): Promise<void> {
    if (this.#config !== null) throw new TypeError('configured twice')
    this.#config = config
    for (const description of config.providers) this.#providers.set(description.name, await this.#openProvider(description, this.#ports))
    this.#journal = await LeaseJournal.create(config.leaseDirectory, config.run)
    this.#broker = new Broker({ providers: this.#providers, journal: this.#journal, observe: this.#observe, nowMs: this.#ports.nowMs })
  }

  get #open(): Broker {
    if (this.#broker === null) throw new TypeError('a broker that was not configured')
    return this.#broker
  }

  async #sweep(): Promise<Ended> {
    if (this.#config === null) throw new TypeError('a broker that was not configured')
    let revoked = 0
    const unrevoked: Ended['unrevoked'][number][] = []
    for await (const journal of LeaseJournal.abandoned(this.#config.leaseDirectory)) {
      await using left = journal
      // Before they are forgotten: what they read is in the managers' audit logs.
      for (const { job, provider, handle } of left.open) this.#observe({ kind: 'session', run: left.run, job, provider, mark: handle })
      const ended = await endNoted(left, this.#providers, this.#ports.nowMs())
      revoked += ended.revoked
      unrevoked.push(...ended.unrevoked)
    }
    return { revoked, unrevoked }
  }

  async #hashMarks({ provider: name, device, marks }: Extract<Question, { type: 'hash-marks' }>): Promise<readonly string[]> {
    const provider = this.#provider(name)
    return (await provider.hashMarks?.(device, marks, AbortSignal.timeout(PROVIDER_TIMEOUT_MS))) ?? marks
  }

  #provider(name: string): SecretProvider {
    const provider = this.#providers.get(name)
    if (provider === undefined) throw new SecretsError('PROVIDER_CONFIG_INVALID', `There is no provider "${name}"`)
    return provider
  }

  /** The supervisor is gone, or is done: everything ends. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#broker?.endAllJobs()
    await this.#journal?.[Symbol.asyncDispose]()
    await Promise.allSettled([...this.#providers.values()].map((provider) => provider[Symbol.asyncDispose]()))
  }
}

/** Of the deadline: a provider that gives up in the middle of what it does need not name it. */
function isDeadline(error: unknown): boolean {
  return error instanceof DOMException && (error.name === 'TimeoutError' || error.name === 'AbortError')
}

function readAnswer({ fields, version, createdAtMs, lease }: ReadSecret): Answer {
  const texts: Record<string, string> = {}
  for (const [name, bytes] of fields) {
    texts[name] = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
    bytes.fill(0)
  }
  return { type: 'read', fields: texts, version, createdAtMs: createdAtMs ?? null, expiresAtMs: lease?.expiresAtMs ?? null }
}
