// SPDX-License-Identifier: Apache-2.0
// An export of a log that is there, and what has to hold after whatever happened to it.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { FileTarget, jsonLine, LogExporter } from '@sallyport/log-export'
import { directoryTileSource } from '@sallyport/store'
import { MemoryLog, testEntries, testRecord } from '../../packages/log-export/src/_log.ts'
import type { Said } from './_log-faults.ts'

/** Three bundles, the last one partial: as many deliveries, and as many moves of the cursor. */
const ENTRIES = 600
/** Elsewhere than the cursor: that its directory is synced does not sync this one. */
export const OUT = 'out'
const FILE = join(OUT, 'records.jsonl')

/** Into an empty directory. `exported`: and what a part of an export leaves, as far as its cursor says. */
export async function writeExportedLog(directory: string, exported: number): Promise<void> {
  mkdirSync(join(directory, OUT))
  if (exported > 0) {
    writeLog(directory, exported)
    await exportAll(directory, async () => undefined)
  }
  writeLog(directory, ENTRIES)
}

function writeLog(directory: string, count: number): void {
  for (const [path, bytes] of new MemoryLog().publish(testEntries(count)).files) {
    const file = join(directory, 'log', path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, bytes)
  }
}

/** `onMoved` is told how far it is, once that is durable. */
export async function exportAll(directory: string, onMoved: (next: number) => Promise<void>): Promise<void> {
  const moved: Promise<void>[] = []
  await using target = await FileTarget.open(join(directory, FILE), jsonLine)
  await using exporter = await LogExporter.open({
    source: directoryTileSource(join(directory, 'log')),
    target,
    directory: join(directory, 'export'),
    name: 'file',
    onProgress: ({ next, failure }) => {
      if (failure === null) moved.push(onMoved(next))
    },
    // One fault a run: the next attempt would succeed, and the next process is what is tried here, too
    times: { attemptsMax: 1, retryMs: 1 },
  })
  await exporter.runOnce(new AbortController().signal)
  await Promise.all(moved)
}

/**
 * No entry that the cursor has passed is missing in the file; the next export goes on from there, and then everything was delivered, in order, at
 * least once, and counted.
 */
export async function assertExported(directory: string, said: readonly Said[]): Promise<void> {
  const told = Math.max(0, ...said.map((words) => (words.type === 'exported' ? words.next : 0)))
  const { next } = readCursorFile(directory)
  assert.ok(next >= told, `it said that ${told} were exported, and remembers ${next}`)
  if (said.at(-1)?.type === 'done') assert.equal(next, ENTRIES)
  assertDelivered(wholeLines(directory), next)
  await exportAll(directory, async () => undefined)
  const text = readFileSync(join(directory, FILE), 'utf8')
  assert.ok(text.endsWith('\n'))
  assertDelivered(wholeLines(directory), ENTRIES)
  const { delivered, refused, missing, shortened } = readCursorFile(directory)
  assert.deepEqual([delivered, refused, missing, shortened], [ENTRIES, 0, 0, 0])
  // What a crash left is gone
  assert.deepEqual(readdirSync(join(directory, 'export')).toSorted(), ['file.json', 'file.json.lock'])
}

function readCursorFile(directory: string): Readonly<Record<'next' | 'delivered' | 'refused' | 'missing' | 'shortened', number>> {
  const path = join(directory, 'export/file.json')
  if (!existsSync(path)) return { next: 0, delivered: 0, refused: 0, missing: 0, shortened: 0 }
  return JSON.parse(readFileSync(path, 'utf8')) as ReturnType<typeof readCursorFile>
}

/** All but a last one that was torn. */
function wholeLines(directory: string): string[] {
  const path = join(directory, FILE)
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : []
}

/** Each of the first `count` is there, as it is in the log, and none before the one that precedes it. */
function assertDelivered(lines: readonly string[], count: number): void {
  let seen = 0
  for (const line of lines) {
    const { index } = JSON.parse(line) as { index: number }
    assert.ok(index <= seen, `entry ${index} comes after ${seen - 1}`)
    assert.deepEqual(JSON.parse(line), JSON.parse(jsonLine(testRecord(index))))
    seen = Math.max(seen, index + 1)
  }
  assert.ok(seen >= count, `${count} were exported, and the file has ${seen}`)
}
