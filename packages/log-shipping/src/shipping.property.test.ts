// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseEntry, readEntries } from '@sallyport/audit-log'
import { type Shipment, Spool, type Transport } from '@sallyport/store'
import fc from 'fast-check'
import { assertSound, openReceiver, record, Scratch } from './_receiving.ts'

const NAME = 'host/a'
const BYTES_MAX = 3000
const RUNS = process.env['SLOW'] === '1' ? 1000 : 40

/** What becomes of one shipment on its way. */
type Fate = 'arrives' | 'is lost' | 'its answer is lost' | 'comes twice' | 'comes after an old one'

type Step =
  | { readonly do: 'append'; readonly count: number; readonly isBad: boolean }
  | { readonly do: 'ship'; readonly fates: readonly Fate[] }
  | { readonly do: 'crash the source' | 'crash the receiver' | 'lose the source' }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('append' as const),
      count: fc.integer({ min: 1, max: 8 }),
      isBad: fc.nat(9).map((n) => n === 0),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('ship' as const),
      fates: fc.array(
        fc.constantFrom<Fate>('arrives', 'arrives', 'is lost', 'its answer is lost', 'comes twice', 'comes after an old one'),
        { minLength: 1, maxLength: 6 },
      ),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom<Step>({ do: 'crash the source' }, { do: 'crash the receiver' }, { do: 'lose the source' }),
  },
)

/** What has to stand in the log of one spool: the record under each number; null where it was lost or is none. */
type Model = Map<string, (string | null)[]>

class World implements AsyncDisposable {
  readonly model: Model = new Map()
  readonly #scratch = new Scratch()
  readonly #old: Shipment[] = []
  #count = 0
  #spool: Spool | null = null
  #receiving: Awaited<ReturnType<typeof openReceiver>> | null = null
  #spoolPath = ''
  #receiverPath = ''
  #isClosing: AsyncDisposable[] = []

  async start(): Promise<this> {
    await this.#openSpool(this.#path())
    await this.#openReceiver(this.#path())
    return this
  }

  #path(): string {
    this.#count += 1
    return join(this.#scratch.path, String(this.#count))
  }

  async #openSpool(path: string): Promise<void> {
    this.#spoolPath = path
    this.#spool = await Spool.open(path, { name: NAME, bytesMax: BYTES_MAX })
    this.#isClosing.push(this.#spool)
    const { source } = this.#spool
    if (!this.model.has(source)) this.model.set(source, [])
    assert.equal(this.#spool.next, (this.model.get(source)?.length ?? 0) + 1)
  }

  async #openReceiver(path: string): Promise<void> {
    this.#receiverPath = path
    this.#receiving = await openReceiver(path, { limits: { snapshotEach: 5 } })
    this.#isClosing.push(this.#receiving)
  }

  get spool(): Spool {
    return this.#spool as Spool
  }

  get receiving(): NonNullable<Awaited<ReturnType<typeof openReceiver>>> {
    return this.#receiving as Awaited<ReturnType<typeof openReceiver>>
  }

  async do(one: Step): Promise<void> {
    if (one.do === 'append') return this.#append(one.count, one.isBad)
    if (one.do === 'ship') return this.#ship([...one.fates])
    // A crash is that another process goes on with what is on the disk
    if (one.do === 'crash the receiver') return this.#openReceiver(this.#copy(this.#receiverPath))
    if (one.do === 'lose the source') return this.#openSpool(this.#path())
    return this.#openSpool(this.#copy(this.#spoolPath))
  }

  #copy(path: string): string {
    const copy = this.#path()
    cpSync(path, copy, { recursive: true })
    return copy
  }

  async #append(count: number, isBad: boolean): Promise<void> {
    const { source, next } = this.spool
    const records = Array.from({ length: count }, (_, index) => (isBad && index === 0 ? Buffer.from('bad') : record(source, next + index)))
    const isKept = await this.spool.append(records)
    const texts = records.map((bytes) => (isKept && bytes.length > 3 ? Buffer.from(bytes).toString() : null))
    this.model.get(source)?.push(...texts)
  }

  async #ship(fates: Fate[]): Promise<void> {
    while (fates.length > 0) {
      const done = new AbortController()
      // After a failure it would wait; here it is called again
      const transport: Transport = async (shipment) => {
        const fate = fates.shift()
        if (fate !== undefined) return this.#carry(shipment, fate).finally(() => fate === 'arrives' || done.abort())
        done.abort()
        throw new Error('this is all')
      }
      const idle = setInterval(() => this.#isIdle() && done.abort(), 1).unref()
      await this.spool.ship(transport, done.signal)
      clearInterval(idle)
      if (this.#isIdle()) return
    }
  }

  #isIdle(): boolean {
    return this.spool.bytes === 0
  }

  async #carry(shipment: Shipment, fate: Fate): ReturnType<Transport> {
    const { receiver } = this.receiving
    if (fate === 'is lost') throw new Error(fate)
    const old = this.#old.at(-1 - (this.#old.length % 3))
    if (fate === 'comes after an old one' && old !== undefined) await receiver.receive(NAME, old)
    const receipt = await receiver.receive(NAME, shipment)
    this.#old.push(shipment)
    if (fate === 'its answer is lost') throw new Error(fate)
    return fate === 'comes twice' ? receiver.receive(NAME, shipment) : receipt
  }

  /** All that is left arrives; then the log is what the model says. */
  async finish(): Promise<void> {
    const done = new AbortController()
    await this.#append(1, false)
    const { source } = this.spool
    const { receiver, log } = this.receiving
    await this.spool.ship(async (shipment) => {
      const receipt = await receiver.receive(NAME, shipment)
      if (receipt.next === this.spool.next) done.abort()
      return receipt
    }, done.signal)
    await assertSound(log)
    const arrived = await placesOf(log)
    for (const [name, texts] of this.model) {
      const isLast = name === source
      const numbers = arrived.get(name) ?? []
      assert.equal(isLast ? numbers.length === texts.length : numbers.length <= texts.length, true, `${numbers.length} of ${texts.length}`)
      assert.deepEqual(numbers, texts.slice(0, numbers.length))
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const one of this.#isClosing.toReversed()) await one[Symbol.asyncDispose]()
    rmSync(this.#scratch.path, { recursive: true, force: true })
  }
}

/** What stands in the log under each number of each source. */
async function placesOf(log: Parameters<typeof assertSound>[0]): Promise<Map<string, (string | null)[]>> {
  const { size } = await log.integrate()
  const found = new Map<string, (string | null)[]>()
  for await (const { bytes } of readEntries(log.source, { size, from: 0, to: size })) {
    const { source, seq, type, data } = parseEntry(bytes)
    const texts = found.get(source) ?? []
    found.set(source, texts)
    assert.equal(seq, texts.length + 1, `${source} goes on where it was`)
    if (type === 'source.gap') for (let number = seq; number <= Number(data?.['last']); number += 1) texts.push(null)
    else texts.push(Buffer.from(bytes).toString())
  }
  return found
}

test('whatever is lost, comes twice, comes late or crashes, each record stands in the log once, in order, or in a gap', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
      await using world = await new World().start()
      for (const one of steps) await world.do(one)
      await world.finish()
    }),
    { numRuns: RUNS },
  )
})
