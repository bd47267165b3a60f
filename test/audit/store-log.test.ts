// SPDX-License-Identifier: Apache-2.0
// A log that the product's own writer and signer made, with a rotation of its key, before both verifiers.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  formatVerifierKey,
  type LogReport,
  parsePolicy,
  proveEntry,
  type RotatedEpoch,
  type TileSource,
  trustedEpochs,
  verifyLog,
} from '@sallyport/audit-log'
import { startSigner } from '@sallyport/signer'
import { directoryTileSource, openTransparencyLog } from '@sallyport/store'
import { sourceEntries } from '../../packages/audit-log/src/_memory-log.ts'
import { buildVerifier, runVerifier } from './_go-verifier.ts'

const ORIGIN = 'log.example.test/audit'

function scratchDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-audit-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

function check(source: TileSource, epochs: readonly RotatedEpoch[]): Promise<LogReport> {
  const [first] = epochs
  const trust = {
    origin: ORIGIN,
    epochs: trustedEpochs(ORIGIN, first?.key ?? assert.fail(), epochs),
    policy: parsePolicy(Buffer.from('quorum none\n')),
  }
  const clock = { nowS: 0, freshnessS: null }
  return verifyLog({ source, trust, clock, remembered: [], minimumIndex: 0, hasOurEntries: true })
}

test('what writer and signer made is sound for both verifiers, before and after a rotation of the key', async (t) => {
  const program = buildVerifier()
  const scratch = scratchDirectory(t)
  using signer = await startSigner(join(scratch, 'keys'), ORIGIN)
  await using log = await openTransparencyLog(join(scratch, 'audit'), { signer, cosigner: null, lockWaitMs: 0 })
  const directory = join(scratch, 'audit', 'log')
  const source = directoryTileSource(directory)

  for (const [name, count] of [
    ['run/1', 5],
    ['run/2', 700],
    ['run/3', 3],
  ] as const) {
    await log.append(sourceEntries(name, count))
    const head = await log.publish()
    const epochs = await signer.rotate()
    // The key before the last one signed what stands there
    const signedBy = epochs.at(-2)?.key ?? assert.fail()
    const report = await check(source, epochs)
    assert.deepEqual([report.findings, report.entriesChecked, report.head?.size], [[], head.size, head.size])

    const keys = ['-vkey', formatVerifierKey(signedBy)]
    const accepted = runVerifier(program, [...keys, '-log', directory])
    assert.equal(accepted.code, 0, accepted.output)
    const proof = join(scratch, 'entry.tlog-proof')
    const checkpoint = (await source.read('checkpoint')) ?? assert.fail()
    writeFileSync(proof, await proveEntry({ source, checkpoint, index: head.size - 1 }))
    const proven = runVerifier(program, [...keys, '-proof', proof])
    assert.equal(proven.code, 0, proven.output)
    assert.match(proven.output, new RegExp(`"source":"${name}"`))
  }
})
