// SPDX-License-Identifier: Apache-2.0
// Witnesses have to know the next key before the present one goes.
import assert from 'node:assert/strict'
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseNote, parseVerifierKey } from '@sallyport/audit-log'
import { HttpServer } from '@sallyport/http'
import { readWitnessLogs, Witness, witnessHandler } from '@sallyport/witness'
import { makeDirectory } from '../../packages/agent/src/access/_temporary-directory.ts'
import { logEntries, makeState, PLAIN, placeOf, record } from '../../packages/agent/src/audit/_rotated-log.ts'
import { auditCommands } from '../../packages/agent/src/audit/commands.ts'
import { keyCommands } from '../../packages/agent/src/audit/key-commands.ts'

/** A witness over HTTP, whose file has these keys. */
async function serveWitness(directory: string, keys: readonly string[]): Promise<AsyncDisposable & { readonly line: string }> {
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, 'logs'), `${keys.map((key) => `log ${key}\n`).join('')}quorum none\n`)
  const logs = await readWitnessLogs(join(directory, 'logs'))
  const witness = await Witness.open({ directory: join(directory, 'witness'), name: 'w.example.test/w1', logs, onFork: () => undefined })
  const server = await HttpServer.start({ address: '127.0.0.1', port: 0, handle: witnessHandler(witness), onFailure: () => undefined })
  return {
    line: `witness w1 ${witness.verifierKey} ${server.url}\nquorum w1\n`,
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]()
      await witness[Symbol.asyncDispose]()
    },
  }
}

test('with witnesses, the key stays until they know the next one', async (t) => {
  const state = await makeState(t)
  const directory = makeDirectory(t)
  const { key } = await auditCommands.publish(state)
  let next = ''
  {
    await using witness = await serveWitness(directory, [key])
    writeFileSync(join(state, 'audit-policy'), witness.line)
    await assert.rejects(keyCommands.rotate(state), (error: unknown) => {
      const { code, hint = '', message } = error as { code: string; hint?: string; message: string }
      next = /log (\S+)$/.exec(hint)?.[1] ?? ''
      assert.match(message, /w1: it does not know the key that has signed \(status 403/)
      return code === 'AUDIT_KEY_UNWITNESSED'
    })
    assert.equal((await auditCommands.publish(state)).key, key, 'nothing was changed')
    assert.deepEqual(await logEntries(state), [])
    assert.equal((await keyCommands.prepare(state)).next, next)
  }
  await using witness = await serveWitness(directory, [key, next])
  writeFileSync(join(state, 'audit-policy'), witness.line)
  const rotated = await keyCommands.rotate(state)
  assert.deepEqual([rotated.newKey, rotated.notices], [next, []])
  const report = await auditCommands.verify(placeOf(state), PLAIN)
  assert.deepEqual([report.sound, report.witnesses.length, report.findings], [true, 1, []])
  const checkpoint = parseNote(readFileSync(join(state, 'audit/log/checkpoint')))
  assert.equal(checkpoint.signatures[0]?.keyId, parseVerifierKey(next).keyId)
})

test('a witness that has forgotten the new key is told what it lacks', async (t) => {
  const state = await makeState(t)
  const directory = makeDirectory(t)
  const { oldKey, newKey } = await keyCommands.rotate(state)
  await using witness = await serveWitness(directory, [oldKey])
  writeFileSync(join(state, 'audit-policy'), witness.line)
  await assert.rejects(auditCommands.publish(state), (error: unknown) => {
    const { code, hint } = error as { code: string; hint?: string }
    assert.equal(hint, `A witness does not know the key that signs now: have it started again with this line in its file: log ${newKey}`)
    return code === 'WITNESS_QUORUM_MISSED'
  })
})

test('a log that is not what was signed keeps its key', async (t) => {
  const state = await makeState(t)
  const before = join(makeDirectory(t), 'audit')
  cpSync(join(state, 'audit'), before, { recursive: true })
  await record(state, 2)
  const { key } = await auditCommands.publish(state)
  rmSync(join(state, 'audit'), { recursive: true })
  cpSync(before, join(state, 'audit'), { recursive: true })
  await assert.rejects(keyCommands.rotate(state), { code: 'AUDIT_LOG_UNWRITABLE' })
  assert.deepEqual((await keyCommands.list(placeOf(state))).keys, [{ key, firstSize: 0, lastSize: null }])
  await assert.rejects(keyCommands.rotate(join(before, 'none')), { code: 'AUDIT_LOG_NOT_FOUND' })
})
