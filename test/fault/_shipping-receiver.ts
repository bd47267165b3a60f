// SPDX-License-Identifier: Apache-2.0
// A receiver as a process of its own, the test server of packages/log-shipping: `OPTIONS`, a JSON document. When its disk fails, it opens its log again.
// On its standard input: `free` removes the ballast, `close` closes the log, and the process stays.
import { readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { HttpServer, textAnswer } from '@sallyport/http'
import { hashToken, ShipmentReceiver, shipmentHandler } from '@sallyport/log-shipping'
import { openReceivingLog } from './_shipping-faults.ts'

export interface ReceiverOptions {
  readonly directory: string
  readonly port: number
  readonly cert: string
  readonly key: string
  /** By name. */
  readonly tokens: Readonly<Record<string, string>>
  /** Bytes of a file that takes their room. */
  readonly ballast: number
}

export type ReceiverSaid =
  | { readonly type: 'listening'; readonly url: string }
  | { readonly type: 'failed'; readonly code: string }
  | { readonly type: 'closed' }

function say(said: ReceiverSaid): void {
  writeSync(1, `${JSON.stringify(said)}\n`)
}

const options = JSON.parse(process.argv[2] ?? '') as ReceiverOptions
const ballast = join(options.directory, 'ballast')
const credentials = Object.entries(options.tokens).map(([name, token]) => ({ name, tokenHash: hashToken(token) }))

/** Until the disk fails, or it is to close. */
async function receiveOnce(closing: AbortSignal, current: { handle: ReturnType<typeof shipmentHandler> | null }): Promise<void> {
  await using log = await openReceivingLog(join(options.directory, 'log'))
  await using receiver = await ShipmentReceiver.open(log, { directory: join(options.directory, 'receiver'), limits: { snapshotEach: 100 } })
  const ended = Promise.withResolvers<void>()
  closing.addEventListener('abort', () => ended.resolve())
  if (closing.aborted) ended.resolve()
  current.handle = shipmentHandler({
    receiver,
    credentials: () => credentials,
    onFailure: ({ code }) => {
      say({ type: 'failed', code })
      ended.resolve()
    },
  })
  await ended.promise
  current.handle = null
}

async function work(): Promise<void> {
  if (options.ballast > 0) writeFileSync(ballast, Buffer.alloc(options.ballast))
  const closing = new AbortController()
  createInterface({ input: process.stdin }).on('line', (line) => {
    if (line === 'free') rmSync(ballast)
    else closing.abort()
  })
  const current: Parameters<typeof receiveOnce>[1] = { handle: null }
  await using server = await HttpServer.start({
    address: '127.0.0.1',
    port: options.port,
    handle: async (request, signal) => current.handle?.(request, signal) ?? textAnswer(503, 'not yet\n', { 'retry-after': '0' }),
    onFailure: (error) => say({ type: 'failed', code: String(error) }),
    tls: { cert: readFileSync(options.cert, 'utf8'), key: readFileSync(options.key, 'utf8') },
  })
  say({ type: 'listening', url: server.url })
  while (!closing.signal.aborted)
    await receiveOnce(closing.signal, current).catch(async (error: { code?: string }) => {
      say({ type: 'failed', code: String(error.code) })
      await sleep(20)
    })
  say({ type: 'closed' })
  // What it has mounted is there for as long as it is
  await new Promise((resolve) => process.stdin.once('end', resolve))
}

if (import.meta.main) await work()
