// SPDX-License-Identifier: Apache-2.0
// File operations of a change of the embedded store (every fourth; with FAULTS=all, each) fail, or are the last one; a disk is full, two write at a time.
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { createEmbeddedStore, describeCopy, findSecret, findVersion, openEmbeddedStore } from '@sallyport/secrets'
import { bundleWriter, EFFECTS, KILL, TracedWriter } from './_system-calls.ts'

const OWN = { kind: 'own' } as const
const scratch = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'sallyport-secrets-faults-'))
const [writer, fresh, faulty] = ['writer.cjs', 'fresh', 'faulty'].map((name) => join(scratch, name)) as [string, string, string]
const traced = new TracedWriter(writer, scratch)
const ALL = ['stored 2', 'stored 3']
/** One call in so many; with FAULTS=all, each. */
const STRIDE = process.env['FAULTS'] === 'all' ? 1 : 4

before(async () => {
  await bundleWriter('_secrets-writer.ts', writer)
  await createEmbeddedStore(fresh, { passphrase: null, identity: null, recipients: [] })
  assert.deepEqual(traced.run([fresh, '1', '1'], []), ['stored 1'])
})

after(() => rmSync(scratch, { recursive: true }))

async function countIn(directory: string): Promise<number> {
  const store = await openEmbeddedStore(directory, OWN)
  return store.look((content) => Number(Buffer.from(findVersion(findSecret(content, 'COUNT'), null).fields.get('value') ?? '').toString()))
}

/** What was said to be stored is there, or something later; it can be written to again; and the copy beside it is one. */
async function assertGoesOn(directory: string, said: readonly string[]): Promise<void> {
  const stored = Math.max(1, ...said.flatMap((line) => (line.startsWith('stored ') ? [Number(line.slice(7))] : [])))
  const count = await countIn(directory)
  assert.ok(count >= stored && count <= 3, `${said.join()}: ${stored} was stored, and ${count} is there`)
  await describeCopy(directory, OWN, null)
  assert.deepEqual(traced.run([directory, '4', '4'], []), ['stored 4'])
  assert.equal(await countIn(directory), 4)
}

describe('an embedded store whose file operations fail', () => {
  for (const [call, effects] of Object.entries(EFFECTS))
    test(`has the old or the new content, and goes on: ${call}`, async () => {
      cpSync(fresh, faulty, { recursive: true })
      assert.deepEqual(traced.run([faulty, '2', '3'], ['-e', `trace=${call}`]), ALL)
      const calls = traced.callsOf(call)
      assert.ok(calls > 0)
      let hurt = 0
      let tried = 0
      for (let when = 1; when <= calls; when += STRIDE) {
        tried++
        for (const effect of [effects[when % effects.length], KILL]) {
          rmSync(faulty, { recursive: true })
          cpSync(fresh, faulty, { recursive: true })
          const said = traced.run([faulty, '2', '3'], ['-e', `trace=${call}`, '-e', `inject=${call}:${effect}:when=${when}`])
          if (said.join() !== ALL.join()) hurt++
          await assertGoesOn(faulty, said)
        }
      }
      rmSync(faulty, { recursive: true })
      // The faults do come to where they are meant to
      assert.ok(hurt > tried / 2, `${hurt} of ${tried} calls, each in two ways`)
    })
})

describe('an embedded store', () => {
  const argv = (directory: string, first: number, last: number): string[] => [writer, directory, String(first), String(last)]
  const env = { NODE_PATH: join(import.meta.dirname, '../../node_modules') }

  test('on a full disk refuses with STORE_FULL, and has what it had', {
    skip: process.geteuid?.() !== 0 && 'mounting the tiny tmpfs needs root',
  }, async () => {
    const script =
      'mount -t tmpfs -o size=64k,mode=0700 none "$1" && cp -rp "$2" "$1/s" && head -c 1m /dev/zero > "$1/fill"; "$3" "$4" "$1/s" 2 3; cp -rp "$1/s" "$5"'
    const [mountPoint, copy] = [join(scratch, 'small'), join(scratch, 'copy')]
    const words = ['-m', 'sh', '-c', `mkdir "$1"; ${script}`, 'sh', mountPoint, fresh, process.execPath, writer, copy]
    const said = execFileSync('unshare', words, { encoding: 'utf8', env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'ignore'] })
    assert.equal(said, 'failed STORE_FULL\nfailed STORE_FULL\n')
    assert.equal(await countIn(copy), 1)
    await assertGoesOn(copy, [])
  })

  test('with two writers has every version of both', async () => {
    const directory = join(scratch, 'shared')
    cpSync(fresh, directory, { recursive: true })
    const writers = [101, 201].map((first) =>
      spawn(process.execPath, argv(directory, first, first + 3), { env, stdio: ['ignore', 'pipe', 'inherit'] }),
    )
    const said = await Promise.all(
      writers.map(async (child) => {
        let output = ''
        child.stdout.setEncoding('utf8').on('data', (text: string) => {
          output += text
        })
        await once(child, 'close')
        return output
      }),
    )
    assert.deepEqual(
      said,
      [101, 201].map((first) => [0, 1, 2, 3].map((more) => `stored ${first + more}\n`).join('')),
    )
    const store = await openEmbeddedStore(directory, OWN)
    const values = await store.look((content) => findSecret(content, 'COUNT').versions.map(({ fields }) => String(fields.get('value'))))
    assert.deepEqual(values.toSorted(), ['1', '101', '102', '103', '104', '201', '202', '203', '204'])
  })

  test('that is killed again and again while it writes loses nothing that it has said to be stored', async () => {
    const directory = join(scratch, 'killed')
    cpSync(fresh, directory, { recursive: true })
    let stored = 1
    for (let round = 1; round <= 10; round++) {
      const child = spawn(process.execPath, argv(directory, stored + 1, stored + 1000), { env, stdio: ['ignore', 'pipe', 'inherit'] })
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        for (const [, count] of text.matchAll(/stored (\d+)\n/g)) stored = Number(count)
        if (text.includes('stored')) setTimeout(() => child.kill('SIGKILL'), round)
      })
      await once(child, 'close')
      const count = await countIn(directory)
      assert.ok(count >= stored, `round ${round}: ${stored} was stored, and ${count} is there`)
      stored = count
    }
    assert.ok(stored > 10)
  })
})
