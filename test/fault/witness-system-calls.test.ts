// SPDX-License-Identifier: Apache-2.0
// Every file operation of a witness fails, or is its last one: what it has answered, it remembers.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { cosignatureVerifier, openNote, parseCheckpoint, parseNote, parseVerifierKey } from '@sallyport/audit-log'
import { TestLog } from '../../packages/witness/src/_log.ts'
import { Witness } from '../../packages/witness/src/server/witness.ts'
import { bundleWriter, EFFECTS, KILL, TracedWriter } from './_system-calls.ts'

const SIZES = [3, 5, 9]
const log = new TestLog({ origin: 'log.test/faults', size: 20 })
const fork = new TestLog({ origin: log.origin, size: 20, salt: 'fork', signer: log.signer })

const scratch = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'sallyport-witness-faults-'))
const [writer, requestsPath] = ['writer.cjs', 'requests.json'].map((name) => join(scratch, name)) as [string, string]
const traced = new TracedWriter(writer, scratch)

before(async () => {
  await bundleWriter('_witness-writer.ts', writer)
  const requests = []
  for (const [index, size] of SIZES.entries())
    requests.push({ size, body: Buffer.from(await log.request(SIZES[index - 1] ?? 0, size)).toString('base64') })
  writeFileSync(requestsPath, JSON.stringify({ key: log.verifierKey, requests }))
})

after(() => rmSync(scratch, { recursive: true }))

/** What the writer answered, line by line. */
function runWriter(directory: string, straceArgs: readonly string[]): string[] {
  return traced.run([directory, requestsPath], straceArgs)
}

async function assertRemembers(directory: string, answers: readonly string[]): Promise<void> {
  const answered = Math.max(0, ...answers.filter((line) => line.startsWith('200 ')).map((line) => Number(line.slice(4))))
  await using witness = await Witness.open({ directory, name: 'w.test', logs: [log.signer.key], onFork: () => undefined })
  const note = await witness.latest(createHash('sha256').update(log.origin).digest('hex'))
  const remembered = note === null ? 0 : parseCheckpoint(parseNote(note).text).size
  assert.ok(remembered >= answered, `it answered ${answered}, and remembers ${remembered}`)
  if (note !== null) assert.equal(openNote(parseNote(note), [cosignatureVerifier(parseVerifierKey(witness.verifierKey))]).length, 1)
  if (answered > 0) for (const size of [answered, 15]) assert.notEqual((await witness.add(await fork.request(answered, size))).status, 200)
  assert.equal((await witness.add(await log.request(remembered, 15))).status, 200)
}

describe('a witness whose file operations fail', () => {
  for (const [call, effects] of Object.entries(EFFECTS))
    test(`remembers what it has answered: ${call}`, async () => {
      const clean = join(scratch, `clean-${call}`)
      assert.deepEqual(
        runWriter(clean, ['-e', `trace=${call}`]),
        SIZES.map((size) => `200 ${size}`),
      )
      const count = traced.callsOf(call)
      assert.ok(count > 0)
      let hurt = 0
      for (let when = 1; when <= count; when++)
        // One after the other, so that every call ends in a few ways and the test in time
        for (const effect of [effects[when % effects.length], KILL]) {
          const directory = join(scratch, 'faulty')
          const answers = runWriter(directory, ['-e', `trace=${call}`, '-e', `inject=${call}:${effect}:when=${when}`])
          if (answers.join() !== SIZES.map((size) => `200 ${size}`).join()) hurt++
          if (existsSync(join(directory, 'key.pub'))) await assertRemembers(directory, answers)
          else assert.ok(!answers.some((line) => line.startsWith('200')))
          rmSync(directory, { recursive: true, force: true })
        }
      // The faults do come to where they are meant to
      assert.ok(hurt > count / 2, `${hurt} of ${count}`)
    })
})
