// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  cosignatureVerifier,
  openNote,
  type Policy,
  parseNote,
  parsePolicy,
  parseSignatureLines,
  parseVerifierKey,
} from '@sallyport/audit-log'
import { HttpServer, type HttpServerOptions } from '@sallyport/http'
import type { TestLog } from './_log.ts'
import { Witness, type WitnessOptions } from './server/witness.ts'
import { witnessHandler } from './server/witness-handler.ts'

export class TemporaryDirectory implements AsyncDisposable {
  readonly path: string

  private constructor(path: string) {
    this.path = path
  }

  static async create(): Promise<TemporaryDirectory> {
    return new TemporaryDirectory(await mkdtemp(join(tmpdir(), 'sallyport-witness-')))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true })
  }
}

export function openWitness(directory: string, log: TestLog, options: Partial<WitnessOptions> = {}): Promise<Witness> {
  return Witness.open({ directory, name: 'w1.example.test', logs: [log.signer.key], onFork: () => undefined, ...options })
}

/** A witness that serves HTTP, and what it failed with. */
export class ServedWitness implements AsyncDisposable {
  readonly witness: Witness
  readonly failures: unknown[]
  readonly url: string
  readonly #server: HttpServer

  private constructor(witness: Witness, server: HttpServer, failures: unknown[]) {
    this.witness = witness
    this.#server = server
    this.url = server.url
    this.failures = failures
  }

  static async start(
    directory: string,
    log: TestLog,
    { server, ...options }: Partial<WitnessOptions> & { server?: Partial<HttpServerOptions> } = {},
  ): Promise<ServedWitness> {
    const failures: unknown[] = []
    const witness = await openWitness(directory, log, options)
    const handle = witnessHandler(witness)
    const started = await HttpServer.start({ address: '127.0.0.1', port: 0, handle, onFailure: (error) => failures.push(error), ...server })
    return new ServedWitness(witness, started, failures)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]()
    await this.witness[Symbol.asyncDispose]()
  }
}

/** The time of the cosignature, which has to be valid. */
export function cosignedAt(witness: Witness, checkpoint: Uint8Array, cosignatures: string): number {
  const { text } = parseNote(checkpoint)
  const [verified] = openNote({ text, signatures: parseSignatureLines(cosignatures) }, [
    cosignatureVerifier(parseVerifierKey(witness.verifierKey)),
  ])
  assert.ok(typeof verified?.timestampS === 'number')
  return verified.timestampS
}

export function policyOf(log: TestLog, witnesses: readonly { witness: Witness; url: string }[], threshold: number): Policy {
  const lines = witnesses.map(({ witness, url }, index) => `witness w${index + 1} ${witness.verifierKey} ${url}`)
  const names = witnesses.map((_, index) => `w${index + 1}`)
  return parsePolicy(
    Buffer.from([`log ${log.verifierKey}`, ...lines, `group g ${threshold} ${names.join(' ')}`, 'quorum g', ''].join('\n')),
  )
}
