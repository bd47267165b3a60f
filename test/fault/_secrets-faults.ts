// SPDX-License-Identifier: Apache-2.0
// An embedded store whose file operations fail, or are the last one.
import assert from 'node:assert/strict'
import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createEmbeddedStore, describeCopy, findSecret, findVersion, openEmbeddedStore } from '@sallyport/secrets'
import { bundleWriter, KILL, TracedWriter } from './_system-calls.ts'

const OWN = { kind: 'own' } as const
const ALL = ['stored 2', 'stored 3']

export async function countIn(directory: string): Promise<number> {
  const store = await openEmbeddedStore(directory, OWN)
  return store.look((content) => Number(Buffer.from(findVersion(findSecret(content, 'COUNT'), null).fields.get('value') ?? '').toString()))
}

export class SecretsFaults implements Disposable {
  readonly scratch: string = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'sallyport-secrets-faults-'))
  readonly writer: string = join(this.scratch, 'writer.cjs')
  /** A store that holds 1. */
  readonly fresh: string = join(this.scratch, 'fresh')
  readonly #faulty = join(this.scratch, 'faulty')
  readonly #traced = new TracedWriter(this.writer, this.scratch)

  async prepare(): Promise<void> {
    await bundleWriter('_secrets-writer.ts', this.writer)
    await createEmbeddedStore(this.fresh, { passphrase: null, identity: null, recipients: [] })
    assert.deepEqual(this.#traced.run([this.fresh, '1', '1'], []), ['stored 1'])
  }

  [Symbol.dispose](): void {
    rmSync(this.scratch, { recursive: true })
  }

  /** What was said to be stored is there, or something later; it can be written to again; and the copy beside it is one. */
  async assertGoesOn(directory: string, said: readonly string[]): Promise<void> {
    const stored = Math.max(1, ...said.flatMap((line) => (line.startsWith('stored ') ? [Number(line.slice(7))] : [])))
    const count = await countIn(directory)
    assert.ok(count >= stored && count <= 3, `${said.join()}: ${stored} was stored, and ${count} is there`)
    await describeCopy(directory, OWN, null)
    assert.deepEqual(this.#traced.run([directory, '4', '4'], []), ['stored 4'])
    assert.equal(await countIn(directory), 4)
  }

  /** One in `stride` of the calls of a change, with an error each and with a kill. Returns how many were tried. */
  async tryCalls(call: string, effects: readonly string[], stride: number): Promise<number> {
    const faulty = this.#copy()
    assert.deepEqual(this.#traced.run([faulty, '2', '3'], ['-e', `trace=${call}`]), ALL)
    const calls = this.#traced.callsOf(call)
    assert.ok(calls > 0)
    let hurt = 0
    let tried = 0
    for (let when = 1; when <= calls; when += stride) {
      tried++
      for (const effect of [effects[when % effects.length], KILL]) {
        const said = this.#traced.run([this.#copy(), '2', '3'], ['-e', `trace=${call}`, '-e', `inject=${call}:${effect}:when=${when}`])
        if (said.join() !== ALL.join()) hurt++
        await this.assertGoesOn(faulty, said)
      }
    }
    // The faults do come to where they are meant to
    assert.ok(hurt > tried / 2, `${hurt} of ${tried} calls, each in two ways`)
    return tried
  }

  /** The fresh store in the place of the one before. */
  #copy(): string {
    rmSync(this.#faulty, { recursive: true, force: true })
    cpSync(this.fresh, this.#faulty, { recursive: true })
    return this.#faulty
  }
}
