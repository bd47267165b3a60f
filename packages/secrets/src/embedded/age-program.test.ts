// SPDX-License-Identifier: Apache-2.0
// The age program of Debian reads what we write, and writes what we read.
import assert from 'node:assert/strict'
import { type ChildProcessWithoutNullStreams, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, copyFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { getValue, makeStore, makeTemporaryDirectory, PLAIN, setValue } from './_fixtures.ts'
import { createEmbeddedStore, openEmbeddedStore, restoreStore } from './embedded-store.ts'
import { storePlaces } from './store-places.ts'

const NO_AGE = spawnSync('age', ['--version']).status === 0 ? false : 'age of Debian is what the files are compared with'
const PASSPHRASE = 'correct horse battery staple'

const age = (...argv: readonly string[]): Buffer => execFileSync('age', argv)

/** It asks on its terminal: `script` makes one, and answers as often as it is asked. */
async function ageAsking(...argv: readonly string[]): Promise<void> {
  const command = ['exec', 'age', ...argv.map((word) => `'${word}'`)].join(' ')
  const child: ChildProcessWithoutNullStreams = spawn('script', ['-qec', command, '/dev/null'])
  let output = ''
  let answered = 0
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
    for (const asked = output.split('passphrase').length - 1; answered < asked; answered += 1) child.stdin.write(`${PASSPHRASE}\n`)
  })
  const [code] = (await once(child, 'close')) as [number]
  assert.equal(code, 0, output)
}

describe('the age program', { skip: NO_AGE, timeout: 240_000 }, () => {
  test('opens a store with the identity beside it, and finds the values in it', async (t) => {
    const { places } = await makeStore(t, { TOKEN: 'tk-4711' })
    const plaintext = age('-d', '-i', places.identity, places.store).toString()
    assert.match(plaintext, /^sallyport-secrets\/1\n\{"generation":2,.*"name":"TOKEN".*\}\ntk-4711$/)
  })

  test('writes a store that we go back to, and then open', async (t) => {
    const { store, places } = await makeStore(t, { TOKEN: 'tk-4711' })
    const directory = makeTemporaryDirectory(t)
    const [plain, sealed] = [join(directory, 'plain'), join(directory, 'sealed')]
    age('-d', '-i', places.identity, '-o', plain, places.store)
    age('-r', store.recipient, '-o', sealed, plain)
    assert.notDeepEqual(readFileSync(sealed), readFileSync(places.store))
    await restoreStore(places.directory, { kind: 'own' }, sealed)
    assert.equal(await getValue(store, 'TOKEN'), 'tk-4711')
  })

  test('makes an identity that a store is made with', async (t) => {
    const directory = makeTemporaryDirectory(t)
    const path = join(directory, 'key.txt')
    execFileSync('age-keygen', ['-o', path], { stdio: 'ignore' })
    const identity = { kind: 'file', path } as const
    const store = await createEmbeddedStore(join(directory, 'secrets'), { ...PLAIN, identity })
    await setValue(store, 'TOKEN', 'tk-4712')
    assert.equal(store.recipient, execFileSync('age-keygen', ['-y', path], { encoding: 'utf8' }).trim())
    assert.match(age('-d', '-i', path, join(directory, 'secrets/store.age')).toString(), /tk-4712$/)
  })

  test('opens the identity under our passphrase, and puts one under a passphrase that we open', async (t) => {
    const directory = makeTemporaryDirectory(t)
    const places = storePlaces(join(directory, 'secrets'))
    const passphrase = Buffer.from(PASSPHRASE)
    await setValue(await createEmbeddedStore(places.directory, { ...PLAIN, passphrase }), 'TOKEN', 'tk-4713')
    const [identity, sealed] = [join(directory, 'identity'), join(directory, 'sealed')]
    await ageAsking('-d', '-o', identity, places.sealedIdentity)
    assert.match(age('-d', '-i', identity, places.store).toString(), /tk-4713$/)
    await ageAsking('-p', '-o', sealed, identity)
    copyFileSync(sealed, places.sealedIdentity)
    chmodSync(places.sealedIdentity, 0o600)
    assert.equal(await getValue(await openEmbeddedStore(places.directory, { kind: 'passphrase', passphrase }), 'TOKEN'), 'tk-4713')
  })
})
