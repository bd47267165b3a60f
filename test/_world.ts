// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { closeSync, mkdirSync, mkdtempSync, openSync, readSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ExecResult, RunDocument } from '@sallyport/agent'
import type { EventEnvelope } from '@sallyport/core'
import { createMarker, type Marker } from './_host.ts'

const PROGRAM = join(import.meta.dirname, '..', 'sallyport')
const OUTPUT_BYTES_MAX = 64 << 20
/** Guards against hanging, on a machine that is slow and shared. */
const TIME_LIMIT_MS = 240_000
/** Commands whose own commands take the options. */
const NESTED: readonly string[] = ['runs', 'access', 'audit', 'secrets', 'image']

export interface RunSettings {
  readonly cwd?: string
  /** Added to the little that every run has. */
  readonly env?: Readonly<Record<string, string>>
  readonly timeLimitMs?: number
  /** A command that ends by executing its arguments, e.g. in another mount namespace. */
  readonly wrap?: readonly string[]
}

export interface Result {
  readonly exitCode: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface JsonRun extends Result {
  readonly events: readonly EventEnvelope[]
  readonly document: RunDocument
  /** What a step printed, as recorded; by the job's key and the step's id. */
  readonly output: (job: string, step: string) => string
  /** For the message of a failed assertion: why jobs and the run failed. */
  readonly why: string
}

/** A command line that is still running. */
export interface Running {
  readonly child: ChildProcess
  /** Of the supervisor itself: every wrapper on the way to it ends in an exec. */
  readonly pid: number
  readonly result: Promise<Result>
  /** What it printed so far. */
  readonly output: { readonly stdout: string; readonly stderr: string }
}

/**
 * The state directory, temporary directory and repositories of one test file. Every process that it starts carries a mark (a cgroup), so that what
 * is left behind can be told from what other people do on the same host.
 */
export class World implements AsyncDisposable {
  readonly directory: string
  readonly state: string
  /** TMPDIR of every run. */
  readonly scratch: string
  readonly marker: Marker
  #repositories = 0

  /** `parent`: where all of it lies. */
  constructor(parent = tmpdir()) {
    this.directory = mkdtempSync(join(parent, 'sallyport-world-'))
    this.state = join(this.directory, 'state')
    this.scratch = join(this.directory, 'tmp')
    mkdirSync(this.scratch)
    this.marker = createMarker()
  }

  /** A git repository with one commit of these files; a name that ends in `.sh` is executable. */
  repository(files: Readonly<Record<string, string>>): string {
    this.#repositories += 1
    const root = join(this.directory, `repository-${this.#repositories}`)
    mkdirSync(root)
    git(root, 'init', '-q', '-b', 'main')
    writeFiles(root, files)
    commit(root)
    return root
  }

  /** A repository whose one workflow has these jobs. */
  workflow(yaml: string, files: Readonly<Record<string, string>> = {}): string {
    return this.repository({ '.github/workflows/ci.yml': yaml, ...files })
  }

  start(args: readonly string[], settings: RunSettings = {}): Running {
    const child = spawn('/bin/sh', ['-c', 'echo $$ > "$0" && exec "$@"', this.marker.procs, ...(settings.wrap ?? []), PROGRAM, ...args], {
      cwd: settings.cwd ?? this.directory,
      env: { PATH: process.env['PATH'] ?? '', HOME: this.directory, TMPDIR: this.scratch, LANG: 'C.UTF-8', ...settings.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const chunks = { stdout: collect(child.stdout), stderr: collect(child.stderr) }
    const timer = setTimeout(() => child.kill('SIGKILL'), settings.timeLimitMs ?? TIME_LIMIT_MS)
    const result = new Promise<Result>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (exitCode, signal) => {
        clearTimeout(timer)
        resolve({ exitCode, signal, stdout: chunks.stdout(), stderr: chunks.stderr() })
      })
    })
    const output = {
      get stdout() {
        return chunks.stdout()
      },
      get stderr() {
        return chunks.stderr()
      },
    }
    return { child, pid: child.pid ?? -1, result, output }
  }

  /** Runs to the end, with this world's state directory. */
  run(args: readonly string[], settings: RunSettings = {}): Promise<Result> {
    const [command = '', ...rest] = args
    const nested = NESTED.includes(command)
      ? [command, rest[0] ?? '', '--state', this.state, ...rest.slice(1)]
      : [command, '--state', this.state, ...rest]
    return this.start(nested, settings).result
  }

  /** `run --json`, parsed. */
  async runJson(repository: string, args: readonly string[] = [], settings: RunSettings = {}): Promise<JsonRun> {
    const result = await this.run(['run', '--json', ...args], { cwd: repository, ...settings })
    return this.parse(result)
  }

  parse(result: Result): JsonRun {
    const lines = jsonLines(result)
    const document = lines.at(-1) as unknown as RunDocument
    // One that was refused has its reason in place of a document; of one that crashed, or was ended, stderr may say it.
    if (document?.jobs === undefined && document?.error === undefined)
      throw new Error(`no document: exit ${result.exitCode} ${result.signal ?? ''}\n${JSON.stringify(document)}\n${result.stderr}`)
    const events = lines.slice(0, -1) as unknown as readonly EventEnvelope[]
    const output = (job: string, step: string): string => this.#recorded(events[0]?.run ?? '', events, job, step)
    return { ...result, events, document, output, why: explain(result, events, document, output) }
  }

  async exec(
    argv: readonly string[],
    options: readonly string[] = [],
    settings: RunSettings = {},
  ): Promise<Result & { readonly document: ExecResult }> {
    const result = await this.run(['exec', '--json', ...options, '--', ...argv], settings)
    return { ...result, document: jsonLines(result).at(-1) as unknown as ExecResult }
  }

  #recorded(run: string, events: readonly EventEnvelope[], job: string, step: string): string {
    const pieces = events.filter((event) => event.type === 'step.log' && event.job === job && event.step === step)
    return pieces
      .map(({ data }) => readPart(join(this.state, 'runs', run, String(data['file'])), Number(data['from']), Number(data['to'])))
      .join('')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.marker.remove()
    rmSync(this.directory, { recursive: true, force: true })
  }
}

/** The beginning, where it is more than a test looks at. */
function readPart(path: string, from: number, to: number): string {
  const bytes = Buffer.alloc(Math.min(to - from, 1 << 20))
  const fd = openSync(path, 'r')
  try {
    return bytes.toString('utf8', 0, readSync(fd, bytes, 0, bytes.length, from))
  } finally {
    closeSync(fd)
  }
}

function explain(result: Result, events: readonly EventEnvelope[], document: RunDocument, output: JsonRun['output']): string {
  const failed = events.filter(({ type, data }) => (type === 'step.finished' && data['outcome'] !== 'success') || type === 'job.refused')
  const texts = failed.map(
    ({ job = '', step = '', data }) => `${job} | ${step} | ${String(data['message'])}\n${step === '' ? '' : output(job, step)}`,
  )
  return `exit ${result.exitCode} ${result.signal ?? ''}\n${JSON.stringify(document.error)}\n${texts.join('')}\n${result.stderr.slice(0, 4000)}`
}

function jsonLines({ stdout, stderr }: Result): Record<string, unknown>[] {
  try {
    return stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
  } catch (cause) {
    throw new Error(`no JSON lines: ${stdout.slice(0, 2000)}\n${stderr.slice(0, 2000)}`, { cause })
  }
}

function collect(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = []
  let bytes = 0
  stream.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes <= OUTPUT_BYTES_MAX) chunks.push(chunk)
  })
  return () => Buffer.concat(chunks).toString('utf8')
}

export function writeFiles(root: string, files: Readonly<Record<string, string>>): void {
  for (const [name, content] of Object.entries(files)) {
    const path = join(root, name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, content, { mode: name.endsWith('.sh') ? 0o755 : 0o644 })
  }
}

/** The settings and hooks of whoever runs this must not decide what is committed. */
export function git(root: string, ...words: readonly string[]): string {
  const identity = [
    '-c',
    'user.name=Tester',
    '-c',
    'user.email=tester@example.test',
    '-c',
    'commit.gpgsign=false',
    '-c',
    'core.hooksPath=/dev/null',
  ]
  return execFileSync('git', ['-C', root, ...identity, ...words], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }).trim()
}

export function commit(root: string): string {
  git(root, 'add', '--all')
  git(root, 'commit', '-q', '--allow-empty', '-m', 'Change')
  return git(root, 'rev-parse', 'HEAD')
}

/** Polls until `found` gives something; the time limit is a failure. */
export async function until<T>(what: string, found: () => T | null | undefined | false, timeLimitMs = 120_000): Promise<T> {
  const deadline = performance.now() + timeLimitMs
  for (;;) {
    const value = found()
    if (value !== null && value !== undefined && value !== false) return value
    if (performance.now() > deadline) throw new Error(`waited ${timeLimitMs} ms for ${what}`)
    await sleep(5)
  }
}
