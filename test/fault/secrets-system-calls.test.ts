// SPDX-License-Identifier: Apache-2.0
// A sample of the faults that test/soak/secrets-faults.soak.ts tries all of: file operations of a change of the embedded store fail, or are the last
// one; a disk is full, two write at a time.
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { findSecret, openEmbeddedStore } from '@sallyport/secrets'
import { countIn, SecretsFaults } from './_secrets-faults.ts'
import { EFFECTS } from './_system-calls.ts'

const OWN = { kind: 'own' } as const
/** One call in so many. */
const STRIDE = 4

const faults = new SecretsFaults()
before(() => faults.prepare())
after(() => faults[Symbol.dispose]())

describe('an embedded store whose file operations fail', () => {
  for (const [call, effects] of Object.entries(EFFECTS))
    test(`has the old or the new content, and goes on: ${call}`, () => faults.tryCalls(call, effects, STRIDE).then(() => undefined))
})

describe('an embedded store', () => {
  const argv = (directory: string, first: number, last: number): string[] => [faults.writer, directory, String(first), String(last)]
  const env = { NODE_PATH: join(import.meta.dirname, '../../node_modules') }

  test('on a full disk refuses with STORE_FULL, and has what it had', {
    skip: process.geteuid?.() !== 0 && 'mounting the tiny tmpfs needs root',
  }, async () => {
    const script =
      'mount -t tmpfs -o size=64k,mode=0700 none "$1" && cp -rp "$2" "$1/s" && head -c 1m /dev/zero > "$1/fill"; "$3" "$4" "$1/s" 2 3; cp -rp "$1/s" "$5"'
    const [mountPoint, copy] = [join(faults.scratch, 'small'), join(faults.scratch, 'copy')]
    const words = ['-m', 'sh', '-c', `mkdir "$1"; ${script}`, 'sh', mountPoint, faults.fresh, process.execPath, faults.writer, copy]
    const said = execFileSync('unshare', words, { encoding: 'utf8', env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'ignore'] })
    assert.equal(said, 'failed STORE_FULL\nfailed STORE_FULL\n')
    assert.equal(await countIn(copy), 1)
    await faults.assertGoesOn(copy, [])
  })

  test('with two writers has every version of both', async () => {
    const directory = join(faults.scratch, 'shared')
    cpSync(faults.fresh, directory, { recursive: true })
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
    const directory = join(faults.scratch, 'killed')
    cpSync(faults.fresh, directory, { recursive: true })
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
