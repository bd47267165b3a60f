// SPDX-License-Identifier: Apache-2.0
// rsyslog as a receiver, at 127.0.0.1 only, with everything that it writes in a directory of the test.
import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { SyslogTls } from './syslog-connection.ts'

const PROGRAM = '/usr/sbin/rsyslogd'
const STARTED_MS = 120_000

export class Rsyslog implements AsyncDisposable {
  readonly port: number
  readonly #process: ChildProcess
  readonly #output: string

  private constructor(process: ChildProcess, port: number, output: string) {
    this.#process = process
    this.port = port
    this.#output = output
  }

  /** `certificates`: null for TCP as it is. */
  static async start(directory: string, certificates: Certificates | null): Promise<Rsyslog> {
    assert.ok(existsSync(PROGRAM), 'rsyslog is missing: make bootstrap')
    const port = await freePort()
    const [output, work] = [join(directory, 'received'), join(directory, 'work')]
    await mkdir(work)
    const configuration = join(directory, 'rsyslog.conf')
    await writeFile(configuration, configurationOf({ port, output, work, certificates }))
    const process = spawn(PROGRAM, ['-n', '-C', '-f', configuration, '-i', join(directory, 'pid')], { stdio: 'ignore' })
    await untilListening(port)
    return new Rsyslog(process, port, output)
  }

  /** Once `count` messages are there: each as rsyslog took it apart, a document a line. */
  async received(count: number): Promise<Readonly<Record<string, string>>[]> {
    for (;;) {
      const lines = existsSync(this.#output) ? readFileSync(this.#output, 'utf8').split('\n').slice(0, -1) : []
      if (lines.length >= count) return lines.map((line) => JSON.parse(line) as Record<string, string>)
      await sleep(20)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null) return
    this.#process.kill('SIGKILL')
    await once(this.#process, 'exit')
  }
}

interface Setting {
  readonly port: number
  readonly output: string
  readonly work: string
  readonly certificates: Certificates | null
}

function configurationOf({ port, output, work, certificates }: Setting): string {
  const tls =
    certificates === null
      ? 'module(load="imtcp")'
      : `global(DefaultNetstreamDriverCAFile="${certificates.ca}" DefaultNetstreamDriverCertFile="${certificates.certificate}" DefaultNetstreamDriverKeyFile="${certificates.key}")
module(load="imtcp" StreamDriver.Name="gtls" StreamDriver.Mode="1" StreamDriver.AuthMode="x509/certvalid")`
  return `global(workDirectory="${work}")
${tls}
template(name="fields" type="list" option.jsonf="on") {
  property(outname="pri" name="pri" format="jsonf")
  property(outname="time" name="timereported" dateFormat="rfc3339" format="jsonf")
  property(outname="app" name="app-name" format="jsonf")
  property(outname="msgid" name="msgid" format="jsonf")
  property(outname="data" name="structured-data" format="jsonf")
  property(outname="version" name="protocol-version" format="jsonf")
  property(outname="msg" name="msg" format="jsonf")
}
ruleset(name="received") { action(type="omfile" file="${output}" template="fields") }
input(type="imtcp" port="${port}" address="127.0.0.1" ruleset="received")
`
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

async function untilListening(port: number): Promise<void> {
  for (const deadlineMs = performance.now() + STARTED_MS; ; await sleep(20)) {
    const socket = connect(port, '127.0.0.1')
    const isThere = await once(socket, 'connect').then(
      () => true,
      () => false,
    )
    socket.destroy()
    if (isThere) return
    assert.ok(performance.now() < deadlineMs, 'rsyslog does not listen')
  }
}

/** Paths of files. */
export interface Certificates {
  readonly ca: string
  readonly certificate: string
  readonly key: string
}

/** An authority, and a certificate of it for 127.0.0.1 that a client may show, too. */
export async function makeCertificates(directory: string): Promise<Certificates> {
  await mkdir(directory)
  const file = (name: string): string => join(directory, name)
  const openssl = (...args: readonly string[]): void => void execFileSync('openssl', args, { stdio: 'ignore' })
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  openssl('req', '-x509', ...key, '-keyout', file('ca.key'), '-out', file('ca.pem'), '-subj', '/CN=test authority', '-days', '3650')
  openssl('req', ...key, '-keyout', file('key.pem'), '-out', file('request.pem'), '-subj', '/CN=receiver')
  await writeFile(file('extensions'), 'subjectAltName=IP:127.0.0.1\n')
  const signing = ['-CA', file('ca.pem'), '-CAkey', file('ca.key'), '-CAcreateserial', '-extfile', file('extensions'), '-days', '3650']
  openssl('x509', '-req', '-in', file('request.pem'), '-out', file('certificate.pem'), ...signing)
  return { ca: file('ca.pem'), certificate: file('certificate.pem'), key: file('key.pem') }
}

export function tlsOf({ ca, certificate, key }: Certificates): SyslogTls {
  const read = (path: string): string => readFileSync(path, 'utf8')
  return { ca: read(ca), identity: { certificate: read(certificate), key: read(key) } }
}
