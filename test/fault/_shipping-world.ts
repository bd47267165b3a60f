// SPDX-License-Identifier: Apache-2.0
// Sources and a receiver, each a process that can be killed and started again.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { testCertificate } from '../../packages/log-shipping/src/_test-certificate.spawn.ts'
import { until } from '../_world.ts'
import { assertLogSound, numbersIn, openReceivingLog, shippedEntry } from './_shipping-faults.ts'
import type { ReceiverOptions, ReceiverSaid } from './_shipping-receiver.ts'
import type { SourceOptions, SourceSaid } from './_shipping-source.ts'

/** The machine may be busy. */
const WAIT_MS = 120_000

/** A program in a mount namespace of its own, in which a directory has so little room. */
function onSmallDisk(directory: string, size: string | null): string[] {
  if (size === null) return []
  mkdirSync(directory, { recursive: true })
  return ['unshare', '-m', 'sh', '-c', `mount -t tmpfs -o size=${size},mode=700 none "$0" && exec "$@"`, directory]
}

export class ShippingWorld implements Disposable {
  readonly #directory = mkdtempSync(join(tmpdir(), 'sallyport-ship-'))
  readonly #children = new Set<ChildProcess>()
  readonly #tokens: Readonly<Record<string, string>>
  readonly #certificate = testCertificate()
  readonly said: SourceSaid[] = []
  readonly receiverSaid: ReceiverSaid[] = []
  #receiver: ChildProcess | null = null
  #url = 'https://127.0.0.1:0'
  #generation = 0

  constructor(names: readonly string[]) {
    this.#tokens = Object.fromEntries(names.map((name) => [name, randomBytes(32).toString('base64url')]))
    writeFileSync(this.#path('cert'), this.#certificate.cert)
    writeFileSync(this.#path('key'), this.#certificate.key, { mode: 0o600 })
  }

  #path(name: string): string {
    return join(this.#directory, name)
  }

  #start(program: string, options: object, wrap: readonly string[], onLine: (line: string) => void): ChildProcess {
    const [first = '', ...rest] = [...wrap, process.execPath, join(import.meta.dirname, program), JSON.stringify(options)]
    const child = spawn(first, rest, { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#children.add(child)
    child.once('close', () => this.#children.delete(child))
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', onLine)
    return child
  }

  /** On the port where it was before, if it was. `disk`: what its directory has room for; then all is gone with the process. */
  async startReceiver({ disk = null, ballast = 0 }: { readonly disk?: string | null; readonly ballast?: number } = {}): Promise<void> {
    const directory = this.#path('receiver')
    mkdirSync(directory, { recursive: true })
    const port = Number(new URL(this.#url).port)
    const options: ReceiverOptions = { directory, port, cert: this.#path('cert'), key: this.#path('key'), tokens: this.#tokens, ballast }
    const before = this.receiverSaid.length
    this.#receiver = this.#start('_shipping-receiver.ts', options, onSmallDisk(directory, disk), (line) =>
      this.receiverSaid.push(JSON.parse(line) as ReceiverSaid),
    )
    const listening = await until('the receiver', () => this.receiverSaid.slice(before).find((said) => said.type === 'listening'), WAIT_MS)
    this.#url = listening.type === 'listening' ? listening.url : ''
  }

  tellReceiver(words: 'free' | 'close'): void {
    this.#receiver?.stdin?.write(`${words}\n`)
  }

  async killReceiver(): Promise<void> {
    const child = this.#receiver
    if (child === null) return
    this.#receiver = null
    await kill(child)
  }

  /** Resolves with how it ended. `killAfter`: it is killed once it has said so much. */
  async runSource(
    name: string,
    {
      count,
      killAfter = null,
      disk = null,
      bytesMax = 2 ** 20,
    }: { count: number; killAfter?: number | null; disk?: string | null; bytesMax?: number },
  ): Promise<number | null> {
    this.#generation += 1
    const directory = this.#path(name.replaceAll('/', '-'))
    const options: SourceOptions = {
      directory,
      name,
      bytesMax,
      url: this.#url,
      token: this.#tokens[name] ?? '',
      ca: this.#path('cert'),
      generation: String(this.#generation),
      count,
    }
    let lines = 0
    const child = this.#start('_shipping-source.ts', options, onSmallDisk(directory, disk), (line) => {
      this.said.push(JSON.parse(line) as SourceSaid)
      lines += 1
      if (lines === killAfter) child.kill('SIGKILL')
    })
    return new Promise((resolve) => child.once('close', (code) => resolve(code)))
  }

  /** Closes the log, and looks at it. */
  async assertAllReceived(): Promise<Map<string, (string | null)[]>> {
    this.tellReceiver('close')
    await until('the log to be closed', () => this.receiverSaid.some(({ type }) => type === 'closed'), WAIT_MS)
    const copy = this.#path('copy')
    cpSync(`/proc/${this.#receiver?.pid}/root${this.#path('receiver')}/log`, copy, { recursive: true })
    await using log = await openReceivingLog(copy)
    await assertLogSound(log)
    const found = await numbersIn(log)
    for (const { source, first, count, isKept, generation } of this.said)
      for (let number = first; number < first + count; number += 1) {
        const expected = isKept ? Buffer.from(shippedEntry(generation, source, number)).toString() : null
        assert.equal(found.get(source)?.[number - 1], expected, `${source} ${number}`)
      }
    // No spool was taken for another one, and none went on from another past
    assert.deepEqual([...found.keys()].toSorted(), [...new Set(this.said.map(({ source }) => source))].toSorted())
    return found
  }

  [Symbol.dispose](): void {
    for (const child of this.#children) child.kill('SIGKILL')
    rmSync(this.#directory, { recursive: true, force: true })
  }
}

function kill(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.once('close', () => resolve())
    child.kill('SIGKILL')
  })
}
