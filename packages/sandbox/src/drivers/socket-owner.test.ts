// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { programWithSocket } from './socket-owner.ts'

const HEADING = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n'
const ROW = (local: string, inode: number): string =>
  `   0: ${local} 010200C0:01BB 01 00000000:00000000 00:00000000 00000000     0        0 ${inode} 1 0 20 4 30 10 -1\n`

/** 198.18.0.2:40000, as the kernel writes it. */
const LOCAL = '020012C6:9C40'

class FakeProc {
  readonly root: string

  constructor(context: TestContext) {
    this.root = mkdtempSync(join(tmpdir(), 'sallyport-proc-'))
    context.after(() => rmSync(this.root, { recursive: true, force: true }))
    this.tables({})
  }

  tables({ tcp = '', tcp6 = '' }: { tcp?: string; tcp6?: string }): this {
    mkdirSync(join(this.root, '1/net'), { recursive: true })
    writeFileSync(join(this.root, '1/net/tcp'), HEADING + tcp)
    writeFileSync(join(this.root, '1/net/tcp6'), HEADING + tcp6)
    return this
  }

  process(pid: number, program: string, targets: readonly string[]): this {
    mkdirSync(join(this.root, String(pid), 'fd'), { recursive: true })
    symlinkSync(program, join(this.root, String(pid), 'exe'))
    for (const [fd, target] of targets.entries()) symlinkSync(target, join(this.root, String(pid), 'fd', String(fd)))
    return this
  }

  ask(processes: readonly number[]): string | null {
    return programWithSocket({ namespace: join(this.root, '1'), address: '198.18.0.2', port: 40_000, processes }, this.root)
  }
}

test('the program is that of the one process with the socket', (context) => {
  const proc = new FakeProc(context)
    .tables({ tcp: ROW('0100007F:9C40', 5) + ROW('020012C6:9C41', 6) + ROW(LOCAL, 77) })
    .process(10, '/usr/bin/sh', ['pipe:[77]', 'socket:[5]', 'socket:[6]'])
    .process(11, '/usr/bin/curl', ['/dev/null', 'socket:[77]', 'socket:[77]'])
  assert.equal(proc.ask([10, 11]), '/usr/bin/curl')
  assert.equal(proc.ask([10]), null)
})

test('a socket of IPv6 that speaks IPv4 is one too', (context) => {
  const proc = new FakeProc(context)
    .tables({ tcp6: ROW(`0000000000000000FFFF0000${LOCAL}`, 77) })
    .process(10, '/usr/bin/node', ['socket:[77]'])
  assert.equal(proc.ask([10]), '/usr/bin/node')
})

test('two processes with the socket, or with two sockets of the same port, have no single program', (context) => {
  const proc = new FakeProc(context)
    .tables({ tcp: ROW(LOCAL, 77) + ROW(LOCAL, 78) })
    .process(10, '/usr/bin/curl', ['socket:[77]'])
    .process(11, '/usr/bin/curl', ['socket:[78]'])
  assert.equal(proc.ask([10, 11]), null)
})

test('a connection that is closed already, a process that is gone and a program that was deleted tell nothing', (context) => {
  const proc = new FakeProc(context).tables({ tcp: ROW(LOCAL, 0) }).process(10, '/usr/bin/curl', ['socket:[0]'])
  assert.equal(proc.ask([10]), null)
  proc.tables({ tcp: ROW(LOCAL, 77) }).process(11, '/tmp/a (deleted)', ['socket:[77]'])
  assert.equal(proc.ask([11, 12]), null)
})

test('more than can be looked through at once is unknown', (context) => {
  const proc = new FakeProc(context).tables({ tcp: ROW(LOCAL, 77) }).process(10, '/usr/bin/curl', ['socket:[77]'])
  assert.equal(proc.ask([10, ...Array.from({ length: 600 }, (_, index) => 1000 + index)]), null)
})
