// SPDX-License-Identifier: Apache-2.0
// A process of its own for the fault tests of the log: `DIRECTORY GENERATION`. All of its file operations are made by one thread, which it names;
// it waits for a byte on its standard input before the first of them, and says on its standard output what happened, a JSON document a line.
import { join } from 'node:path'
import { type CheckpointSigner, formatKeys, parseVerifierKey, type RotatedEpoch } from '@sallyport/audit-log'
import {
  archiveAndPrune,
  openTransparencyLog,
  PayloadStore,
  publishCheckpoint,
  publishKeys,
  type SignedCheckpoint,
  Spool,
  type TransparencyLog,
} from '@sallyport/store'
import { Signer } from '../../packages/signer/src/signer.ts'
import { say, workTraced } from './_file-thread.ts'
import { ARCHIVED, ORIGIN, SPOOL, writtenEntry } from './_log-faults.ts'

const [directory = '', generation = ''] = process.argv.slice(2)

function sayingSigner(signer: Signer): CheckpointSigner {
  return {
    origin: ORIGIN,
    latest: async () => signer.latest,
    sign: async (growth) => {
      const note = await signer.sign(growth)
      await showKeys(signer)
      await say({ type: 'signed', size: growth.head.size, root: Buffer.from(growth.head.root).toString('base64') })
      return note
    },
  }
}

/** As the agent does, before each checkpoint. */
async function showKeys(signer: Signer): Promise<void> {
  const keys = formatKeys(signer.epochs.map(epochOf))
  if (keys !== null) await publishKeys(join(directory, 'audit'), keys)
}

function epochOf({ verifierKey, seal, rotation, ...sizes }: Signer['epochs'][number]): RotatedEpoch {
  const bytes = (text: string | null): Uint8Array | null => (text === null ? null : Buffer.from(text, 'base64'))
  return { key: parseVerifierKey(verifierKey), ...sizes, seal: bytes(seal), rotation: bytes(rotation) }
}

/** Prepared, tried, and brought in; then another one without that. */
async function rotate(signer: Signer): Promise<void> {
  const next = await signer.prepare()
  await say({ type: 'prepared', key: next })
  await signer.try()
  await signer.rotate(next)
  await say({ type: 'rotated', epochs: signer.epochs.length, key: next })
  await showKeys(signer)
}

async function append(log: TransparencyLog, count: number): Promise<void> {
  const first = log.size
  const entries = Array.from({ length: count }, (_, index) => writtenEntry(generation, first + index))
  const { last } = await log.append(entries)
  await say({ type: 'appended', first, last, generation })
}

async function publish(log: TransparencyLog): Promise<void> {
  const { size } = await log.publish()
  await say({ type: 'published', size })
}

async function work(): Promise<void> {
  await writeLog()
  await keepPayloads()
  await archiveAndPrune(join(directory, 'audit'), join(directory, 'archive'), ARCHIVED)
  await spool()
}

async function writeLog(): Promise<void> {
  await using signer = await Signer.open(join(directory, 'signer'), ORIGIN)
  await writeAndPublish(signer)
  await publishLater(signer)
}

function openLog(signer: Signer): Promise<TransparencyLog> {
  return openTransparencyLog(join(directory, 'audit'), { signer: sayingSigner(signer), cosigner: null, lockWaitMs: 0 })
}

/** As whoever asks witnesses does, without holding the log meanwhile. */
async function publishLater(signer: Signer): Promise<void> {
  const { note, size } = await signOne(signer)
  await publishCheckpoint(join(directory, 'audit'), note, { lockWaitMs: 0 })
  await say({ type: 'published', size })
}

async function signOne(signer: Signer): Promise<SignedCheckpoint> {
  await using log = await openLog(signer)
  await append(log, 1)
  return await log.sign()
}

async function writeAndPublish(signer: Signer): Promise<void> {
  await using log = await openLog(signer)
  await append(log, 3)
  await publish(log)
  await append(log, 250)
  await append(log, 40)
  await publish(log)
  await rotate(signer)
  await append(log, 1)
  await publish(log)
  // At a size at which the key before has just signed
  await signer.rotate()
  await say({ type: 'rotated', epochs: signer.epochs.length, key: signer.epochs.at(-1)?.verifierKey ?? '' })
}

async function keepPayloads(): Promise<void> {
  const payloads = new PayloadStore(join(directory, 'audit'))
  await payloads.sweep(new Date())
  const about = { class: 'job-log', at: '2026-11-29T15:00:00.000Z', source: 'run/1', job: null }
  const [kept, erased] = [await payloads.put([Buffer.from('kept')], about), await payloads.put([Buffer.from('erased')], about)]
  await say({ type: 'kept', ...kept })
  await payloads.erase(erased.commitment)
  await say({ type: 'erased', ...erased })
}

async function spool(): Promise<void> {
  await using spool = await Spool.open(join(directory, 'spool'), SPOOL)
  for (let count = 0; count < 3; count += 1) {
    const next = spool.next
    const isKept = await spool.append([writtenEntry(generation, next)])
    await say({ type: isKept ? 'spooled' : 'lost', first: next, generation })
  }
}

void workTraced(work)
