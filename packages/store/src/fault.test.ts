// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { makeTemporaryDirectory } from './_temporary-directory.ts'
import { createRunStore } from './run-store.ts'

const WRITER = join(import.meta.dirname, '_fault-writer.ts')
const NO_MOUNTS = process.geteuid?.() === 0 ? false : 'mounting the tiny tmpfs needs root'

/** Runs the writer in a mount namespace of its own, its state on a tmpfs of 256 KiB, and copies that out afterwards. */
async function runOnFullDisk(state: string, mode: string): Promise<string> {
  const script = 'mount -t tmpfs -o size=256k,mode=0700 none "$1/small" && "$2" "$3" "$1/small" "$4"; cp -r "$1/small" "$1/copy"'
  const argv = ['-m', 'sh', '-ec', `mkdir "$1/small"; ${script}`, 'sh', state, process.execPath, WRITER, mode]
  const { stdout } = await promisify(execFile)('unshare', argv, { maxBuffer: 16 * 2 ** 20 })
  return stdout
}

test('a full disk stops the journal with STORE_FULL and loses no acknowledged event', { skip: NO_MOUNTS }, async (t) => {
  const state = makeTemporaryDirectory(t)
  const lines = (await runOnFullDisk(state, 'journal')).trim().split('\n')
  assert.equal(lines.at(-2), 'refused STORE_FULL')
  assert.equal(lines.at(-1), 'document STORE_FULL')
  const acknowledged = Number(lines.at(-3))
  assert.ok(acknowledged > 100, `only ${acknowledged} events fitted`)
  const run = await createRunStore(join(state, 'copy')).open('r1')
  const events = await Array.fromAsync(run.events())
  assert.equal(events.length, acknowledged)
  assert.equal(run.document, null)
})

test('a full disk stops a log with STORE_FULL', { skip: NO_MOUNTS }, async (t) => {
  const output = await runOnFullDisk(makeTemporaryDirectory(t), 'log')
  assert.match(output, /^refused STORE_FULL$/m)
})

test('after kill -9 every acknowledged event is there and the run is interrupted', async (t) => {
  const state = join(makeTemporaryDirectory(t), 'state')
  const child = spawn(process.execPath, [WRITER, state, 'journal'], { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
    if (output.length > 500) child.kill('SIGKILL')
  })
  await once(child, 'close')
  const acknowledged = output.slice(0, output.lastIndexOf('\n')).split('\n').length
  const run = await createRunStore(state).open('r1')
  const events = await Array.fromAsync(run.events())
  assert.ok(events.length >= acknowledged, `${events.length} events, ${acknowledged} acknowledged`)
  assert.equal(run.state, 'interrupted')
  assert.equal((await createRunStore(state).list())[0]?.conclusion, 'interrupted')
})
