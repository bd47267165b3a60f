// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { auditPlaces } from '@sallyport/agent'
import {
  cosignatureVerifier,
  ed25519Signer,
  formatAddCheckpoint,
  formatCheckpoint,
  formatNote,
  formatVerifierKey,
  leafHash,
  openNote,
  parseNote,
  parsePolicy,
  parseVerifierKey,
} from '@sallyport/audit-log'
import { startSigner } from '@sallyport/signer'
import { directoryTileSource, openTransparencyLog } from '@sallyport/store'
import { PolicyCosigner } from '@sallyport/witness'
import { makeState, ORIGIN, publishEntries, RunningCommand } from './_audit.ts'
import { registerAuditWitness } from './audit-witness.ts'

interface Address {
  readonly url: string
  readonly verifierKey: string
}

test('is a witness: one key for good, and cosignatures for the logs of its file only', async (t) => {
  const state = makeState(t)
  const verifierKey = await publishEntries(state, 300)
  const config = join(dirname(state), 'logs.txt')
  await writeFile(config, `# of the tests\nlog ${verifierKey}\nquorum none\n`)
  const argv = ['witness', '--config', config, '--listen', '127.0.0.1:0', '--name', 'w1.example.test', '--state', state, '--json']
  const command = new RunningCommand(registerAuditWitness, argv)
  const witness = await command.document<Address>()
  assert.match(command.stderr, /^sallyport: witness of 1 key of logs at http:\/\/127\.0\.0\.1:\d+\/\n$/)
  assert.equal((await stat(join(state, 'witness/key.pem'))).mode & 0o777, 0o600)

  const { log, signer: keys } = auditPlaces(state)
  const policy = parsePolicy(Buffer.from(`log ${verifierKey}\nwitness w1 ${witness.verifierKey} ${witness.url}\nquorum w1\n`))
  {
    using signer = await startSigner(keys, ORIGIN)
    using cosigner = new PolicyCosigner({ policy })
    await using writer = await openTransparencyLog(log, { signer, cosigner, lockWaitMs: 1000 })
    await writer.publish()
  }
  const note = parseNote((await directoryTileSource(join(log, 'log')).read('checkpoint')) ?? new Uint8Array())
  assert.equal(openNote(note, [cosignatureVerifier(parseVerifierKey(witness.verifierKey))]).length, 1)

  await command.signal('SIGTERM')
  assert.equal(command.exitCode, 0)
  const again = new RunningCommand(registerAuditWitness, argv)
  assert.equal((await again.document<Address>()).verifierKey, witness.verifierKey)
  const third = new RunningCommand(registerAuditWitness, argv)
  await third.ended
  assert.match(third.stderr, /error\[WITNESS_LOCKED\]/)
  await again.signal('SIGINT')
})

test('keeps the proof when a log signs two trees of one size', async (t) => {
  const state = makeState(t)
  const signer = ed25519Signer(ORIGIN, generateKeyPairSync('ed25519').privateKey)
  const config = join(dirname(state), 'logs.txt')
  await writeFile(config, `log ${formatVerifierKey(signer.key)}\nquorum none\n`)
  const argv = ['witness', '--config', config, '--listen', '127.0.0.1:0', '--state', state, '--json']
  const command = new RunningCommand(registerAuditWitness, argv)
  const { url } = await command.document<Address>()
  const checkpoint = (entry: string): Uint8Array => {
    const text = formatCheckpoint({ origin: ORIGIN, size: 1, root: leafHash(Buffer.from(entry)), extensions: [] })
    return formatNote({ text, signatures: [signer.sign(text)] })
  }
  const add = (oldSize: number, bytes: Uint8Array) =>
    fetch(`${url}/add-checkpoint`, { method: 'POST', body: Buffer.from(formatAddCheckpoint({ oldSize, proof: [], checkpoint: bytes })) })
  assert.equal((await add(0, checkpoint('one'))).status, 200)
  for (const other of ['two', 'three']) assert.notEqual((await add(1, checkpoint(other))).status, 200)
  const files = (await readdir(join(state, 'witness'))).filter((name) => name.startsWith('fork-'))
  assert.equal(files.length, 1)
  assert.deepEqual(await readFile(join(state, 'witness', files[0] ?? '')), Buffer.from(checkpoint('two')))
  assert.match(command.stderr, /has signed two trees of 1 entries: ".*fork-[0-9a-f]{64}" is the proof\n/)
  await command.signal('SIGTERM')
})

test('does not start without logs to witness', async (t) => {
  const state = makeState(t)
  const absent = new RunningCommand(registerAuditWitness, ['witness', '--config', `${state}.txt`, '--state', state])
  await absent.ended
  assert.match(absent.stderr, /error\[WITNESS_UNCONFIGURED\].*there is no such file/)
  const config = join(dirname(state), 'logs.txt')
  await writeFile(config, 'log nonsense\nquorum none\n')
  const malformed = new RunningCommand(registerAuditWitness, ['witness', '--config', config, '--state', state])
  await malformed.ended
  assert.match(malformed.stderr, /error\[FILE_INVALID\]: Cannot use .*line 1/)
  assert.deepEqual([absent.exitCode, malformed.exitCode], [2, 2])
})
