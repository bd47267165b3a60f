// SPDX-License-Identifier: Apache-2.0
// bench/_gate-paths.ts DIRECTORY: measures the ways to one origin, in a network namespace of its own that has nothing but a loopback (bench/gate.ts makes
// it). Prints one JSON document.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { GateClient, type GateConfig, type GateProgram, gateProgram } from '@sallyport/gate'
import { type GateProcess, startGateProcess } from '../packages/gate/src/_gate-process.ts'
import { questionMessage } from '../packages/gate/src/dns/_messages.ts'
import { createUdpSocket } from '../packages/gate/src/dns/udp-socket.ts'
import { fromBundle } from '../packages/gate/src/program.ts'
import { rule, ruleSet } from '../packages/gate/src/relay/_gate-world.ts'
import { captureHello } from '../packages/gate/src/tls/_client-hellos.ts'
import { askFor, SERVER_HELLO } from './_tls-words.ts'

export interface PathFigures {
  readonly name: string
  readonly missing?: string
  readonly bytesPerSecond: number
  readonly connectMs: { readonly p50: number; readonly p99: number /** Of the first hundred. */; readonly cold: number }
}

export interface GateFigures {
  readonly paths: readonly PathFigures[]
  /** Of the gate's process, in bytes: all of it, and what no other process shares. */
  readonly idle: { readonly resident: number; readonly own: number }
  readonly full: { readonly resident: number; readonly own: number; readonly connections: number }
  readonly readyMs: number
}

const NAME = 'origin.test'
const STEP_ADDRESS = '198.18.1.1'
const NAME_ADDRESS = '198.19.0.1'
const [ORIGIN_PORT, RELAY_PORT, SQUID_PORT, TINYPROXY_PORT] = [7443, 7001, 7002, 7003]
const BYTES = 1024 ** 3
const ROUNDS = 5
const CONNECTIONS = 1500
/** Until this process and those of the ways have seen what they do all the time. */
const WARM_UP = 1500
/** Before that: what a new process takes. */
const COLD = 100
const FULL = 1000

interface Path {
  readonly name: string
  readonly missing?: string
  readonly to: { readonly host: string; readonly port: number; readonly localAddress?: string }
  /** A proxy that has to be asked first. */
  readonly connects: boolean
}

const scratch = process.argv[2] ?? '/nowhere'
const children: ChildProcess[] = []

async function measure(): Promise<GateFigures> {
  const hello = await captureHello({ servername: NAME })
  await startNode('_gate-origin.ts', ORIGIN_PORT)
  await startNode('_plain-relay.ts', RELAY_PORT, ORIGIN_PORT)
  const startMs = performance.now()
  await using gate = await startGateProcess({ program: program(), tcp: { host: NAME_ADDRESS, port: ORIGIN_PORT } })
  const client = await openGate(gate)
  const readyMs = performance.now() - startMs
  await new Promise((resolve) => setTimeout(resolve, 500))
  const idle = memoryOf(gate.child)
  const paths: Path[] = [
    { name: 'direct loopback', to: { host: '127.0.0.1', port: ORIGIN_PORT }, connects: false },
    { name: 'gate', to: { host: NAME_ADDRESS, port: ORIGIN_PORT, localAddress: STEP_ADDRESS }, connects: false },
    { name: 'plain Node relay', to: { host: '127.0.0.1', port: RELAY_PORT }, connects: false },
    await startSquid(),
    await startTinyproxy(),
  ]
  const figures = await measurePaths(paths, hello)
  const held = await Promise.all(Array.from({ length: FULL }, () => open(paths[1] as Path, hello)))
  const full = { ...memoryOf(gate.child), connections: held.length }
  for (const socket of held) socket.destroy()
  client.close()
  return { paths: figures, idle, full, readyMs }
}

/** As it is published, where the build has made that. */
function program(): GateProgram {
  const dist = join(import.meta.dirname, '../dist')
  return existsSync(join(dist, 'gate.cjs')) ? fromBundle(dist) : gateProgram()
}

async function measurePaths(paths: readonly Path[], hello: Buffer): Promise<PathFigures[]> {
  const samples = paths.map((path) => ({ path, rates: [] as number[], times: [] as number[] }))
  const present = samples.filter(({ path }) => path.missing === undefined)
  // in turn, so that what stops this process or the machine for a moment stops all alike
  for (let count = 0; count < WARM_UP + CONNECTIONS; count++) {
    for (const { path, times } of present) times.push(await timeTransfer(path, hello, SERVER_HELLO.length))
  }
  for (let round = 0; round < ROUNDS; round++) {
    for (const { path, rates } of present) rates.push((BYTES * 1000) / (await timeTransfer(path, hello, BYTES)))
  }
  return samples.map(({ path: { name, missing }, rates, times }) => {
    const warm = times.slice(WARM_UP)
    const connectMs = { p50: quantile(warm, 0.5), p99: quantile(warm, 0.99), cold: quantile(times.slice(0, COLD), 0.5) }
    return { name, ...(missing === undefined ? {} : { missing }), bytesPerSecond: quantile(rates, 0.5), connectMs }
  })
}

/** Milliseconds from before the connection to the last byte. */
async function timeTransfer(path: Path, hello: Buffer, bytes: number): Promise<number> {
  const startMs = performance.now()
  let received = 0
  const socket = await open(path, askFor(hello, bytes), (length) => {
    received += length
  })
  await once(socket, 'end')
  const elapsedMs = performance.now() - startMs
  socket.destroy()
  if (received !== bytes) throw new Error(`${path.name} brought ${received} of ${bytes} bytes`)
  return elapsedMs
}

async function open({ to, connects }: Path, words: Buffer, onBytes: (length: number) => void = () => undefined): Promise<Socket> {
  let answer = connects ? '' : null
  const { promise: agreed, resolve, reject } = Promise.withResolvers<void>()
  const onread = {
    buffer: BUFFER,
    callback: (length: number, buffer: Uint8Array) => {
      if (answer === null) onBytes(length)
      else {
        answer += Buffer.from(buffer.subarray(0, length)).toString('latin1')
        if (answer.includes('\r\n\r\n')) {
          if (!/^HTTP\/1\.[01] 200 /.test(answer)) reject(new Error(`a proxy answered ${JSON.stringify(answer.slice(0, 100))}`))
          answer = null
          resolve()
        }
      }
      return true
    },
  }
  const socket = connect({ ...to, noDelay: true, onread })
  socket.once('error', reject)
  await once(socket, 'connect')
  if (connects) {
    socket.write(`CONNECT 127.0.0.1:${ORIGIN_PORT} HTTP/1.1\r\nHost: 127.0.0.1:${ORIGIN_PORT}\r\n\r\n`)
    await agreed
  }
  socket.write(words)
  return socket
}

const BUFFER = Buffer.alloc(256 * 1024)

function quantile(values: readonly number[], part: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length * part)] ?? Number.NaN
}

async function openGate(gate: GateProcess): Promise<GateClient> {
  const refuse = (_step: string, what: unknown): void => void process.stderr.write(`bench: the gate refused ${JSON.stringify(what)}\n`)
  const client = new GateClient(gate.control, {
    refused: refuse,
    used: () => undefined,
    alert: () => undefined,
    whose: async () => null,
    token: async () => null,
  })
  await client.configure(gateConfig)
  const sets = [ruleSet(rule({ to: NAME, port: ORIGIN_PORT, protocol: 'tls' }))]
  await client.openStep({ step: 'bench', source: STEP_ADDRESS, sets, substitutions: [], honeytokens: [], relays: [] })
  await lookUp(gate.dnsPort)
  return client
}

const gateConfig: GateConfig = {
  nameServers: [],
  hosts: { [NAME]: ['127.0.0.1'] },
  trustedHosts: [NAME],
  privateNetworks: [],
  ownAddresses: [],
  authorities: null,
  terminates: [],
  limits: { connections: 2048, helloMs: 10_000, connectMs: 10_000, idleMs: 60_000, bytesOut: null },
}

async function lookUp(port: number): Promise<void> {
  const socket = createUdpSocket('udp4')
  socket.bind(0, STEP_ADDRESS)
  socket.send(questionMessage(NAME), port, '127.0.0.1')
  await once(socket, 'message')
  socket.close()
}

function memoryOf({ pid }: ChildProcess): { resident: number; own: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const read = (key: RegExp): number => Number(key.exec(status)?.[1]) * 1024
  return { resident: read(/VmRSS:\s+(\d+)/), own: read(/RssAnon:\s+(\d+)/) }
}

async function startNode(file: string, ...ports: readonly number[]): Promise<void> {
  const child = spawn(process.execPath, [join(import.meta.dirname, file), ...ports.map(String)], { stdio: ['ignore', 'pipe', 'inherit'] })
  children.push(child)
  if (child.stdout !== null) await once(child.stdout, 'data')
}

async function startSquid(): Promise<Path> {
  const configuration = [
    `http_port 127.0.0.1:${SQUID_PORT}`,
    'acl all_ports port 1-65535',
    'http_access allow CONNECT all_ports',
    'http_access deny all',
    'access_log none',
    'cache_log /dev/null',
    'cache deny all',
    'netdb_filename none',
    'shutdown_lifetime 0 seconds',
    `pid_filename ${join(scratch, 'squid.pid')}`,
    `coredump_dir ${scratch}`,
    'visible_hostname bench',
  ]
  return await startProxy('squid CONNECT', ['/usr/sbin/squid', '-N', '-f', write('squid.conf', configuration)], SQUID_PORT)
}

async function startTinyproxy(): Promise<Path> {
  const configuration = [
    `Port ${TINYPROXY_PORT}`,
    'Listen 127.0.0.1',
    'Timeout 60',
    'MaxClients 200',
    'LogLevel Critical',
    'Allow 127.0.0.1',
  ]
  return await startProxy('tinyproxy CONNECT', ['/usr/bin/tinyproxy', '-d', '-c', write('tinyproxy.conf', configuration)], TINYPROXY_PORT)
}

function write(name: string, lines: readonly string[]): string {
  const file = join(scratch, name)
  writeFileSync(file, `${lines.join('\n')}\n`)
  return file
}

async function startProxy(name: string, [program = '', ...args]: readonly string[], port: number): Promise<Path> {
  const path: Path = { name, to: { host: '127.0.0.1', port }, connects: true }
  if (!existsSync(program)) return { ...path, missing: `package ${name.split(' ')[0]}` }
  const child = spawn(program, args, { stdio: 'ignore' })
  children.push(child)
  for (let tries = 0; tries < 100; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 50))
    if (child.exitCode !== null) break
    if (await listens(port)) return path
  }
  return { ...path, missing: 'it does not start here' }
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' })
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.unref()
    setTimeout(() => socket.destroy(), 20)
  })
}

spawnSync('ip', ['link', 'set', 'lo', 'up'])
spawnSync('ip', ['route', 'add', 'local', '198.18.0.0/15', 'dev', 'lo'])
try {
  process.stdout.write(JSON.stringify(await measure()))
} finally {
  for (const child of children) child.kill('SIGKILL')
}
