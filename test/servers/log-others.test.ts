// SPDX-License-Identifier: Apache-2.0
// Our log, our witness and our proofs, judged by what others wrote for the same specifications: Tessera's fsck and log, Torchwood's client, witness and
// verifier, the witness and client of transparency-dev. None of them shares a line with ours.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import {
  formatVerifierKey,
  noteVerifier,
  openNote,
  type Policy,
  parseNote,
  parsePolicy,
  parseSignatureLines,
  parseVerifierKey,
  proveEntry,
  type TileSource,
  verifyLog,
} from '@sallyport/audit-log'
import { HttpServer } from '@sallyport/http'
import { tilesHandler } from '@sallyport/log-export'
import { type CheckpointCosigner, directoryTileSource, openTransparencyLog, type TransparencyLog } from '@sallyport/store'
import { PolicyCosigner, Witness, type WitnessError, witnessHandler } from '@sallyport/witness'
import { MemorySigner } from '../../packages/store/src/transparency/_memory-signer.ts'
import { OtherWitness, runOthers } from './_log-others.ts'

const temporary = mkdtempSync(join(tmpdir(), 'sallyport-log-others-'))
after(() => rmSync(temporary, { recursive: true, force: true }))

let directories = 0
function newDirectory(): string {
  directories += 1
  return mkdtempSync(join(temporary, `${directories}-`))
}

const entriesOf = (first: number, count: number, what = 'entry'): Uint8Array[] =>
  Array.from({ length: count }, (_, index) => Buffer.from(`${what} ${first + index} ${'x'.repeat((first + index) % 50)}`))

interface OurLog {
  readonly directory: string
  readonly signer: MemorySigner
  readonly key: string
}

function newLog(signer = new MemorySigner('log.example.test/audit')): OurLog {
  return { directory: newDirectory(), signer, key: formatVerifierKey(signer.signer.key) }
}

/** Appends, publishes, and lets go. */
async function grow(
  { directory, signer }: OurLog,
  entries: readonly Uint8Array[],
  cosigner: CheckpointCosigner | null = null,
): Promise<TileSource> {
  await using log: TransparencyLog = await openTransparencyLog(directory, { signer, cosigner, lockWaitMs: 0 })
  for (let at = 0; at < entries.length; at += 1000) await log.append(entries.slice(at, at + 1000))
  await log.publish()
  return log.source
}

async function serve(tree: string): Promise<HttpServer> {
  return HttpServer.start({ address: '127.0.0.1', port: 0, handle: await tilesHandler(tree), onFailure: assert.ifError })
}

async function serveWitness(log: OurLog): Promise<{ readonly witness: Witness; readonly url: string } & AsyncDisposable> {
  const options = { directory: newDirectory(), name: 'witness.example.test/ours', logs: [log.signer.signer.key], onFork: () => undefined }
  const witness = await Witness.open(options)
  const server = await HttpServer.start({ address: '127.0.0.1', port: 0, handle: witnessHandler(witness), onFailure: assert.ifError })
  const end = async (): Promise<void> => {
    await server[Symbol.asyncDispose]()
    await witness[Symbol.asyncDispose]()
  }
  return { witness, url: server.url, [Symbol.asyncDispose]: end }
}

function changeByte(path: string, at: number): void {
  const bytes = readFileSync(path)
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at)
  writeFileSync(path, bytes)
}

describe("others' verifiers", () => {
  const log = newLog()
  const tree = join(log.directory, 'log')
  /** Every level up to the third, partial tiles on each. */
  const SIZE = 65_536 + 300

  test('find our log whole, as files and as it is served', async () => {
    await grow(log, entriesOf(0, SIZE))
    await using server = await serve(tree)
    assert.deepEqual(await runOthers('fsck', log.key, `file://${tree}/`).then(({ code }) => code), 0)
    assert.deepEqual(await runOthers('fsck', log.key, server.url).then(({ code }) => code), 0)
    assert.deepEqual(await runOthers('monitor', log.key, server.url), { code: 0, output: `ok ${SIZE}\n` })
  })

  test('find it whole while it has grown past what its witnesses have let it publish', async () => {
    const other = newLog()
    await grow(other, entriesOf(0, 100))
    await using writer = await openTransparencyLog(other.directory, { signer: other.signer, cosigner: null, lockWaitMs: 0 })
    await writer.append(entriesOf(100, 300))
    await writer.integrate()
    await using server = await serve(join(other.directory, 'log'))
    assert.equal((await runOthers('fsck', other.key, server.url)).code, 0)
    assert.deepEqual(await runOthers('monitor', other.key, server.url), { code: 0, output: 'ok 100\n' })
  })

  test('find what was changed in it', async () => {
    await using server = await serve(tree)
    for (const [path, at] of [
      ['tile/entries/100', 10],
      ['tile/0/001', 5],
      ['tile/1/000', 40],
      ['checkpoint', 25],
    ] as const) {
      const file = join(tree, path)
      changeByte(file, at)
      assert.equal((await runOthers('fsck', log.key, server.url)).code, 1, path)
      changeByte(file, at)
    }
    assert.equal((await runOthers('fsck', log.key, server.url)).code, 0)
  })
})

describe("others' witnesses", () => {
  const log = newLog()
  const policyPath = join(temporary, 'policy')
  const policyOf = (witnesses: readonly { readonly verifierKey: string; readonly url: string }[]): Policy => {
    const lines = witnesses.map(({ verifierKey, url }, index) => `witness w${index} ${verifierKey} ${url}`)
    const names = witnesses.map((_, index) => `w${index}`).join(' ')
    const text = [`log ${log.key}`, ...lines, `group all-of-them all ${names}`, 'quorum all-of-them', ''].join('\n')
    writeFileSync(policyPath, text)
    return parsePolicy(Buffer.from(text))
  }

  test('cosign what our client sends them, as it grows, and nothing else; others verify a proof under them', async () => {
    await using lite = await OtherWitness.litewitness(newDirectory(), log.signer.signer.key)
    await using omni = await OtherWitness.omniwitness(newDirectory(), log.signer.signer.key)
    const policy = policyOf([lite, omni])
    using cosigner = new PolicyCosigner({ policy, times: { totalMs: 120_000, requestMs: 60_000 } })
    await grow(log, entriesOf(0, 300), cosigner)
    await grow(log, entriesOf(300, 1000), cosigner)
    const source = await grow(log, [], cosigner)
    // Who does not know their size learns it from them
    using another = new PolicyCosigner({ policy, times: { totalMs: 120_000, requestMs: 60_000 } })
    await grow(log, entriesOf(1300, 5), another)
    await assertProof(source)
    await assertForkRefused(policy)
  })

  async function assertProof(source: TileSource): Promise<void> {
    const checkpoint = (await source.read('checkpoint')) ?? new Uint8Array()
    assert.equal(parseNote(checkpoint).signatures.length, 3)
    const [proof, entry, otherEntry] = ['proof.tlog-proof', 'entry', 'other-entry'].map((name) => join(temporary, name)) as [
      string,
      string,
      string,
    ]
    writeFileSync(proof, await proveEntry({ source, checkpoint, index: 700 }))
    writeFileSync(entry, entriesOf(700, 1)[0] ?? '')
    writeFileSync(otherEntry, entriesOf(701, 1)[0] ?? '')
    assert.deepEqual(await runOthers('proof', policyPath, proof, entry), { code: 0, output: 'ok\n' })
    assert.equal((await runOthers('proof', policyPath, proof, otherEntry)).code, 1)
    const text = readFileSync(proof, 'utf8').trimEnd().split('\n')
    writeFileSync(proof, `${text.slice(0, -1).join('\n')}\n`)
    assert.equal((await runOthers('proof', policyPath, proof, entry)).code, 1)
  }

  /** The same key shows a tree that does not begin with what they have seen. */
  async function assertForkRefused(policy: Policy): Promise<void> {
    const forked = newLog(new MemorySigner(log.signer.origin))
    const fork: OurLog = { ...forked, signer: Object.assign(forked.signer, { signer: log.signer.signer }) }
    using cosigner = new PolicyCosigner({ policy, times: { totalMs: 120_000, requestMs: 60_000 } })
    for (const size of [1305, 2000])
      await assert.rejects(grow({ ...fork, directory: newDirectory() }, entriesOf(0, size, 'lie'), cosigner), (error: WitnessError) => {
        assert.equal(error.code, 'WITNESS_QUORUM_MISSED')
        assert.deepEqual(kindsOf(error), ['refused', 'refused'])
        return true
      })
  }
})

function kindsOf({ details }: WitnessError): readonly string[] {
  const { outcomes } = details as unknown as { readonly outcomes: readonly { readonly kind: string }[] }
  return outcomes.map(({ kind }) => kind)
}

describe('our witness', () => {
  const cosignedBy = (text: string, witness: Witness, checkpoint: Uint8Array): void => {
    const signatures = parseSignatureLines(text)
    assert.equal(
      openNote({ text: parseNote(checkpoint).text, signatures }, [noteVerifier(parseVerifierKey(witness.verifierKey))]).length,
      1,
    )
  }

  test("cosigns what others' client sends it, which reads it from our log as it is served", async () => {
    const log = newLog()
    await using ours = await serveWitness(log)
    let source = await grow(log, entriesOf(0, 300))
    await using server = await serve(join(log.directory, 'log'))
    const feed = async (): Promise<string> => (await runOthers('feed', log.key, server.url, ours.url)).output
    const checkpoint = async (): Promise<Uint8Array> => (await source.read('checkpoint')) ?? new Uint8Array()
    const [first = '', ...lines] = (await feed()).split('\n')
    assert.equal(first, 'cosigned')
    cosignedBy(lines.join('\n'), ours.witness, await checkpoint())
    source = await grow(log, entriesOf(300, 700))
    const [conflict, second, ...more] = (await feed()).split('\n')
    assert.deepEqual([conflict, second], ['conflict 300', 'cosigned'])
    cosignedBy(more.join('\n'), ours.witness, await checkpoint())
    assert.match(await feed(), /^conflict 1000\ncosigned\n/)
  })

  test("refuses others' client what is no growth, in words that it understands", async () => {
    const log = newLog()
    await using ours = await serveWitness(log)
    await grow(log, entriesOf(0, 300))
    await using honest = await serve(join(log.directory, 'log'))
    assert.match((await runOthers('feed', log.key, honest.url, ours.url)).output, /^cosigned\n/)
    for (const size of [300, 900]) {
      const lie = {
        ...log,
        directory: newDirectory(),
        signer: Object.assign(new MemorySigner(log.signer.origin), { signer: log.signer.signer }),
      }
      await grow(lie, entriesOf(0, size, 'lie'))
      await using lying = await serve(join(lie.directory, 'log'))
      assert.match((await runOthers('feed', log.key, lying.url, ours.url)).output, /^conflict 300\nrefused: .*proof/i, `${size}`)
    }
    const stranger = newLog(new MemorySigner('log.example.test/stranger'))
    await grow(stranger, entriesOf(0, 3))
    await using strange = await serve(join(stranger.directory, 'log'))
    assert.match((await runOthers('feed', stranger.key, strange.url, ours.url)).output, /^refused: .*unknown/i)
  })

  test("witnesses a log of Tessera's, which our verifier finds whole", async () => {
    const directory = newDirectory()
    const policyPath = join(directory, 'policy')
    writeFileSync(policyPath, 'quorum none\n')
    const made = await runOthers('log', directory, policyPath, '3')
    assert.equal(made.code, 0, made.output)
    const key = parseVerifierKey(readFileSync(join(directory, 'key.pub'), 'utf8'))
    const witness = await Witness.open({
      directory: newDirectory(),
      name: 'witness.example.test/ours',
      logs: [key],
      onFork: () => undefined,
    })
    await using _witness = witness
    await using server = await HttpServer.start({
      address: '127.0.0.1',
      port: 0,
      handle: witnessHandler(witness),
      onFailure: assert.ifError,
    })
    writeFileSync(policyPath, `witness w ${witness.verifierKey} ${server.url}\nquorum w\n`)
    for (const count of [300, 400]) {
      const grown = await runOthers('log', directory, policyPath, String(count))
      assert.equal(grown.code, 0, grown.output)
    }
    const checkpoint = readFileSync(join(directory, 'log/checkpoint'))
    const verifiers = [noteVerifier(key), noteVerifier(parseVerifierKey(witness.verifierKey))]
    assert.equal(openNote(parseNote(checkpoint), verifiers).length, 2)
    const policy = parsePolicy(Buffer.from(`log ${formatVerifierKey(key)}\nwitness w ${witness.verifierKey}\nquorum w\n`))
    const trust = { origin: key.name, epochs: [{ key, firstSize: 0, lastSize: null, seal: null }], policy }
    const clock = { nowS: Date.now() / 1000, freshnessS: 3600 }
    const source = directoryTileSource(join(directory, 'log'))
    const report = await verifyLog({ source, trust, clock, remembered: [], minimumIndex: 0, hasOurEntries: false })
    assert.deepEqual([report.findings, report.entriesChecked], [[], 703])
  })
})
