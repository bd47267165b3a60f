// SPDX-License-Identifier: Apache-2.0
// scripts/test.ts [KIND | FILE]…: runs the tests of those kinds (see testing/kinds.ts; the default is what `make test` runs) or those
// files. Prints a line for each file, failures in full, every skip with its reason, and the counts alone on the last line.
import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { restartAsRoot, rootPrefix } from './as-root.ts'
import { exclusiveFiles } from './testing/exclusive.ts'
import { defaultKinds, filesOf, type TestKind, testKinds } from './testing/kinds.ts'
import { type FileResult, killAllFiles, runFile } from './testing/run-file.ts'
import { countLine, describeFailures, describeFile, describeSkips, totalsOf } from './testing/summary.ts'

const root = join(import.meta.dirname, '..')
// It is to take a quarter of an hour with two processors; a machine that is slower, or shared, still says which tests fail.
const totalTimeLimitMs = 40 * 60_000
// A file waits for processes and clocks for half of its time. More at once would only wait for each other, and for memory: a job may take 256 MiB.
const filesAtOnce = Math.min(availableParallelism() + 1, 4)

interface Batch {
  readonly kind: TestKind
  readonly files: readonly string[]
}

/** A batch for each kind that has files, of those that were asked for. */
function selectBatches(wanted: readonly string[]): Batch[] {
  const names = wanted.length === 0 ? defaultKinds : wanted
  const paths = names.filter((name) => name.endsWith('.ts')).map((name) => relative(root, resolve(name)))
  const batches = testKinds.map((kind) => {
    const all = filesOf(kind, root)
    return { kind, files: names.includes(kind.name) ? all : all.filter((file) => paths.includes(file)) }
  })
  const unknown = names.filter((name) => !name.endsWith('.ts') && !testKinds.some((kind) => kind.name === name))
  const unmatched = paths.filter((path) => !batches.some(({ files }) => files.includes(path)))
  for (const name of [...unknown, ...unmatched])
    refuse(`"${name}" is neither a kind of test (${testKinds.map((kind) => kind.name).join(', ')}) nor a test file`)
  return batches.filter(({ files }) => files.length > 0)
}

function refuse(message: string): never {
  process.stderr.write(`test: ${message}\n`)
  process.exit(2)
}

/** A batch that cannot run is a failure that says why, never a silent skip. */
function notRun(batch: Batch, text: string): FileResult {
  const failure = { name: `${batch.files.length} file(s) of kind ${batch.kind.name} were not run`, line: undefined, text }
  return { file: batch.kind.name, outcome: { passed: 0, failures: [failure], skips: [] }, durationMs: 0, output: '' }
}

/** One file to run, and of what kind it is. */
interface Work {
  readonly kind: TestKind
  readonly file: string
}

/** Runs the files in their order, so many at a time. */
async function runFiles(files: readonly Work[], atOnce: number, scratch: string, deadlineMs: number): Promise<FileResult[]> {
  const results: FileResult[] = []
  const waiting = [...files]
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const { kind, file } = next
      const timeLimitMs = Math.min(kind.fileTimeLimitMs, deadlineMs - performance.now())
      const isLate = timeLimitMs <= 0
      const result = isLate
        ? notRun({ kind, files: [file] }, `${file}: the time for all tests is over`)
        : await runFile(file, { root, scratch, timeLimitMs })
      process.stdout.write(`${describeFile(result)}\n`)
      results.push(result)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, work))
  return results
}

async function runAll(batches: readonly Batch[], scratch: string): Promise<FileResult[]> {
  const isRoot = process.getuid?.() === 0
  // Those that `make test` runs have a time together
  const isLong = batches.some(({ kind }) => !defaultKinds.includes(kind.name))
  const deadlineMs = isLong ? Number.POSITIVE_INFINITY : performance.now() + totalTimeLimitMs
  const results: FileResult[] = []
  const beside: Work[] = []
  const alone: Work[] = []
  for (const batch of batches) {
    const { kind, files } = batch
    if (kind.needsRoot && !isRoot) {
      const result = notRun(batch, 'they build sandboxes, which needs root: run them as root, or as a user with sudo')
      process.stdout.write(`${describeFile(result)}\n`)
      results.push(result)
    } else for (const file of files) (kind.runsBeside && exclusiveFiles[file] === undefined ? beside : alone).push({ kind, file })
  }
  results.push(...(await runFiles(beside, filesAtOnce, scratch, deadlineMs)))
  results.push(...(await runFiles(alone, 1, scratch, deadlineMs)))
  return results
}

const wanted = process.argv.slice(2)
const batches = selectBatches(wanted)
if (process.getuid?.() !== 0 && batches.some(({ kind }) => kind.needsRoot)) {
  // Without a way to become root, those kinds end as failures that say so
  const prefix = rootPrefix()
  if (prefix !== undefined) restartAsRoot(prefix, import.meta.filename, wanted)
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => {
    killAllFiles()
    process.exit(130)
  })
}

const scratch = mkdtempSync(join(tmpdir(), 'sallyport-test-'))
process.once('exit', () => rmSync(scratch, { recursive: true, force: true }))
const results = await runAll(batches, scratch)
for (const line of [...describeSkips(results), ...describeFailures(results)]) process.stdout.write(`${line}\n`)
const totals = totalsOf(results)
if (totals.passed === 0) process.stdout.write('no test passed: that is a failure, whatever the counts say\n')
process.stdout.write(`${countLine(totals)}\n`)
process.exitCode = totals.failed > 0 || totals.passed === 0 ? 1 : 0
