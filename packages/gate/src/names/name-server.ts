// SPDX-License-Identifier: Apache-2.0
import { Buffer } from 'node:buffer'
import { connect, isIP } from 'node:net'
import { type ParsedResponse, parseResponse, type Question } from '../dns/response.ts'
import { createUdpSocket } from '../dns/udp-socket.ts'
import type { NameServer } from './name-server-address.ts'

export interface AskOptions {
  readonly udpMs: number
  readonly tcpMs: number
  /** Aborted: nobody waits for the answer any more. */
  readonly signal: AbortSignal
}

/** What one server says to one question. Never throws; bounded by both times together. */
export async function askNameServer(server: NameServer, question: Question, { udpMs, tcpMs, signal }: AskOptions): Promise<ParsedResponse> {
  const response = await askOverUdp(server, question, { timeoutMs: udpMs, signal })
  return response.kind === 'over-tcp' ? await askOverTcp(server, question, { timeoutMs: tcpMs, signal }) : response
}

interface Waiting {
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

const NO_ANSWER: ParsedResponse = { kind: 'failed', why: 'it did not answer' }

/** A socket of its own for each question: the kernel chooses a random port, and lets in what comes from that server only. */
function askOverUdp({ address, port }: NameServer, question: Question, { timeoutMs, signal }: Waiting): Promise<ParsedResponse> {
  return new Promise((resolve) => {
    const socket = createUdpSocket(isIP(address) === 6 ? 'udp6' : 'udp4')
    const end = (response: ParsedResponse): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', giveUp)
      // closed twice it would throw
      socket.removeAllListeners().on('error', () => undefined)
      socket.close()
      resolve(response)
    }
    const giveUp = (): void => end(NO_ANSWER)
    const timer = setTimeout(giveUp, timeoutMs)
    signal.addEventListener('abort', giveUp)
    socket.on('error', (error) => end({ kind: 'failed', why: error.message }))
    socket.on('message', (message) => {
      const response = parseResponse(message, question, 'udp')
      if (response.kind !== 'foreign') end(response)
    })
    // The callback hears of failure too (no route to the server, say), which Node's types do not tell.
    socket.connect(port, address, (error?: Error) => {
      if (!(error instanceof Error)) socket.send(question.message)
      else end({ kind: 'failed', why: error.message })
    })
  })
}

async function askOverTcp(
  { address, port }: NameServer,
  { message, type }: Question,
  { timeoutMs, signal }: Waiting,
): Promise<ParsedResponse> {
  const socket = connect({ host: address, port, noDelay: true })
  const giveUp = (): void => void socket.destroy()
  const timer = setTimeout(giveUp, timeoutMs)
  signal.addEventListener('abort', giveUp)
  try {
    const length = Buffer.alloc(2)
    length.writeUInt16BE(message.length)
    socket.write(Buffer.concat([length, message]))
    let read: Buffer = Buffer.alloc(0)
    for await (const chunk of socket) {
      read = Buffer.concat([read, chunk as Buffer])
      if (read.length < 2 || read.length < 2 + read.readUInt16BE(0)) continue
      const response = parseResponse(read.subarray(2, 2 + read.readUInt16BE(0)), { message, type }, 'tcp')
      return response.kind === 'foreign' ? { kind: 'failed', why: 'it answered something else' } : response
    }
    return NO_ANSWER
  } catch (error) {
    return { kind: 'failed', why: error instanceof Error ? error.message : 'the connection broke' }
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', giveUp)
    socket.destroy()
  }
}
