// SPDX-License-Identifier: Apache-2.0
import { EventEmitter } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { createRunStore } from '@sallyport/store'
import { createFakeAgent, type FakeAgent } from './_fake-agent.ts'
import type { Context } from './context.ts'
import { runProgram } from './program.ts'
import type { Sink } from './terminal/sink.ts'

export class FakeSink implements Sink {
  text = ''
  readonly isTerminal: boolean
  columns = 80
  rows = 24
  isBroken = false

  constructor(isTerminal = false) {
    this.isTerminal = isTerminal
  }

  write(chunk: string | Uint8Array): void {
    this.text += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('utf8')
  }
}

export interface HarnessOptions {
  readonly agent?: FakeAgent
  readonly terminal?: boolean
  readonly color?: boolean
  readonly stdin?: string
  readonly secrets?: Readonly<Record<string, string>>
  readonly directory?: string
  readonly context?: (context: Context) => void
}

export interface Outcome {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
  readonly agent: FakeAgent
}

/** Runs one command line with fakes all around. */
export async function runCli(argv: readonly string[], options: HarnessOptions = {}): Promise<Outcome> {
  const agent = options.agent ?? createFakeAgent()
  const { context, stdout, stderr } = fakeContext({ ...options, agent })
  options.context?.(context)
  await runProgram(argv, context)
  return { exitCode: context.exitCode, stdout: stdout.text, stderr: stderr.text, agent }
}

export interface FakeContext {
  readonly context: Context
  readonly stdout: FakeSink
  readonly stderr: FakeSink
}

export function fakeContext(options: HarnessOptions = {}): FakeContext {
  const stdout = new FakeSink(options.terminal)
  const stderr = new FakeSink(options.terminal)
  const context: Context = {
    config: { stateDirectory: '/state', allowsColor: options.color ?? false, allowsRepaint: true, runnerTemp: null, isDebug: false },
    secrets: { read: (name) => options.secrets?.[name] },
    stdin: streamOf(options.stdin ?? ''),
    stdinIsTerminal: options.terminal ?? false,
    stdout,
    stderr,
    signals: new EventEmitter(),
    workingDirectory: options.directory ?? '/',
    now: () => Date.UTC(2026, 10, 22, 20, 15, 5),
    onStdoutClosed: null,
    restoreAtExit: () => undefined,
    loadAgent: async () => options.agent ?? createFakeAgent(),
    loadStore: async (directory) => createRunStore(directory),
    becomeOwnRoot: async () => undefined,
    exitCode: 0,
  }
  return { context, stdout, stderr }
}

async function* streamOf(text: string): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < text.length; at += 7) yield Buffer.from(text.slice(at, at + 7))
}

export function makeTemporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-cli-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

export function makeFile(t: TestContext, content: string | Uint8Array): string {
  const path = join(makeTemporaryDirectory(t), 'input')
  writeFileSync(path, content)
  return path
}
