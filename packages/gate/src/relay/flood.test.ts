// SPDX-License-Identifier: Apache-2.0
// A job that does its worst with connections, against the gate's real process: it harms itself.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { startGateProcess } from '../_gate-process.ts'
import { GateClient, type GateHandlers } from '../client.ts'
import { questionMessage } from '../dns/_messages.ts'
import { createUdpSocket } from '../dns/udp-socket.ts'
import { endOf, rule, ruleSet, STEP } from './_gate-world.ts'

const SOURCE = '127.0.0.11'
const COUNT = process.env['SLOW'] === '1' ? 10_000 : 1500
const ALLOWED = 500
const MIB = 1024 * 1024

/** What each connection says, in turn; null: it ends its half. */
const WORDS: readonly (Buffer | null)[] = [
  Buffer.alloc(0),
  Buffer.from([22]),
  Buffer.from('garbage\r\n'),
  null,
  Buffer.concat([Buffer.from([22, 3, 1, 64, 0, 1, 0, 64, 0]), Buffer.alloc(16_000)]),
  Buffer.from([0x80, 0x2e, 1, 3, 1]),
  Buffer.from('GET / HTTP/1.1\r\n\r\n'),
]

test('silent, slow, half-open, oversized and malformed connections cost bounded memory, and delay nobody', async () => {
  await using gate = await startGateProcess()
  const { promise: flooded, resolve: flood } = Promise.withResolvers<void>()
  const handlers: GateHandlers = {
    refused: () => undefined,
    used: () => undefined,
    alert: (_step, { kind }) => (kind === 'connection-flood' ? flood() : undefined),
    whose: () => Promise.resolve(null),
    token: () => Promise.resolve(null),
  }
  // It has yet to start
  const client = new GateClient(gate.control, handlers, { answerMs: 120_000 })
  await client.configure({
    nameServers: [],
    hosts: {},
    trustedHosts: [],
    privateNetworks: [],
    ownAddresses: [],
    authorities: null,
    terminates: [],
    limits: { connections: ALLOWED, helloMs: 30_000, connectMs: 1000, idleMs: 30_000, bytesOut: null },
  })
  const sets = [
    ruleSet(rule({ to: '127.0.0.1/32', port: gate.tcpPort, protocol: 'tls' }), rule({ to: 'a.test', port: 443, protocol: 'tls' })),
  ]
  await client.openStep({ step: STEP, source: SOURCE, sets, substitutions: [], honeytokens: [], relays: [] })
  const before = residentOf(gate.child.pid)
  const sockets = Array.from({ length: COUNT }, (_, index) => say(gate.tcpPort, WORDS[index % WORDS.length] ?? null))
  await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once('connect', resolve).once('error', resolve))))

  await flooded
  const startMs = performance.now()
  await resolves(gate.dnsPort)
  assert.ok(performance.now() - startMs < 30_000, 'its resolver still answers')
  const grown = (residentOf(gate.child.pid) - before) / MIB
  assert.ok(grown < 160, `it grew by ${grown.toFixed(0)} MiB`)

  const ends = Promise.all(sockets.map(endOf))
  const traffic = await client.closeStep(STEP)
  assert.ok(
    (await ends).every((end) => end !== 'open'),
    'the end of the step ends all of them',
  )
  assert.deepEqual([...new Set(traffic.refused.map(({ refusal }) => refusal.code))].toSorted(), ['connections', 'protocol'])
  client.close()
})

function say(port: number, words: Buffer | null): Socket {
  const socket = connect({ host: '127.0.0.1', port, localAddress: SOURCE, allowHalfOpen: true })
  socket.on('error', () => undefined)
  if (words === null) socket.end()
  else socket.write(words)
  return socket
}

async function resolves(port: number): Promise<void> {
  const socket = createUdpSocket('udp4')
  socket.bind(0, SOURCE)
  socket.send(questionMessage('a.test'), port, '127.0.0.1')
  await once(socket, 'message')
  socket.close()
}

function residentOf(pid: number | undefined): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024
}
