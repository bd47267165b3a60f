// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { startGateProcess } from './_gate-process.ts'
import { GateClient, type GateHandlers } from './client.ts'
import type { GateConfig, StepDoors } from './contract.ts'
import { questionMessage, readAnswer } from './dns/_messages.ts'
import { createUdpSocket } from './dns/udp-socket.ts'
import { GateError } from './gate-error.ts'
import { rule, ruleSet } from './relay/_gate-world.ts'

const config: GateConfig = {
  nameServers: [],
  hosts: {},
  trustedHosts: [],
  privateNetworks: [],
  ownAddresses: [],
  authorities: null,
  terminates: [],
  limits: { connections: 100, helloMs: 500, connectMs: 1000, idleMs: 5000, bytesOut: null },
}
const doors: StepDoors = {
  step: 'build/1',
  source: '127.0.0.11',
  sets: [ruleSet(rule({ to: 'a.test', port: 443 }))],
  substitutions: [],
  honeytokens: [],
  relays: [],
}
/** Its answers wait for that, too, on a machine that may be busy. */
const YET_TO_START = { answerMs: 120_000 }
const handlers: GateHandlers = {
  refused: () => undefined,
  used: () => undefined,
  alert: () => undefined,
  whose: () => Promise.resolve(null),
  token: () => Promise.resolve(null),
}

test('a gate is configured, opens a step, answers its questions, refuses, and reports', async () => {
  await using gate = await startGateProcess()
  const refused: string[] = []
  const recording: GateHandlers = { ...handlers, refused: (step, { code, target }) => void refused.push(`${step} ${code} ${target}`) }
  const client = new GateClient(gate.control, recording, YET_TO_START)
  assert.deepEqual(await client.configure(config), { authority: null })
  await client.openStep(doors)

  const udp = createUdpSocket('udp4')
  udp.bind(0, doors.source)
  udp.send(questionMessage('a.test'), gate.dnsPort, '127.0.0.1')
  const [answer] = (await once(udp, 'message')) as [Buffer]
  udp.close()
  assert.equal(readAnswer(answer).answers[0]?.data.join('.'), '198.19.0.1')

  const socket = connect({ host: '127.0.0.1', port: gate.tcpPort, localAddress: doors.source })
  const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException]
  assert.equal(error.code, 'ECONNRESET')

  const traffic = await client.closeStep(doors.step)
  assert.deepEqual(refused, [`build/1 no-rule 127.0.0.1:${gate.tcpPort}`])
  assert.deepEqual(
    traffic.refused.map(({ count }) => count),
    [1],
  )
  client.close()
  const [code] = (await once(gate.child, 'exit')) as [number]
  assert.equal(code, 0)
  assert.equal(gate.words(), '')
})

test('a gate with names to terminate makes an authority of its own', async () => {
  await using gate = await startGateProcess()
  const client = new GateClient(gate.control, handlers, YET_TO_START)
  const { authority } = await client.configure({ ...config, terminates: [{ kind: 'exact', name: 'a.test' }] })
  assert.match(authority ?? '', /^-----BEGIN CERTIFICATE-----\n/)
  client.close()
})

test('a gate that gets an order that makes no sense ends with code 1, having said why', async () => {
  await using gate = await startGateProcess()
  const client = new GateClient(gate.control, handlers, YET_TO_START)
  await client.configure(config)
  await client.openStep(doors)
  const [code] = await Promise.all([
    once(gate.child, 'exit').then(([status]) => status as number),
    assert.rejects(client.openStep({ ...doors, step: 'build/2' }), (error) => error instanceof GateError && error.code === 'GATE_LOST'),
  ])
  assert.equal(code, 1)
  assert.match(await client.lost, /^it failed: a step that is open already/)
})

test('the death of a gate is known at once', async () => {
  await using gate = await startGateProcess()
  const client = new GateClient(gate.control, handlers, YET_TO_START)
  await client.configure(config)
  gate.child.kill('SIGKILL')
  assert.equal(await client.lost, 'its process ended')
  await assert.rejects(client.closeStep('build/1'), GateError)
})

test('a gate ends with its supervisor', async () => {
  await using gate = await startGateProcess()
  const client = new GateClient(gate.control, handlers, YET_TO_START)
  await client.configure(config)
  gate.control.destroy()
  const [code] = (await once(gate.child, 'exit')) as [number]
  assert.equal(code, 0)
})
