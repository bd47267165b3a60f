// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { LineReader } from '@sallyport/core'
import { JOURNAL_FIELDS } from './journal-entry.ts'
import type { JournalPosition } from './journal-position.ts'

const PLACES = ['/usr/bin/journalctl', '/bin/journalctl'] as const
/** journalctl leaves out fields of more than 4096 bytes; what is escaped in JSON takes six characters for one, a list of bytes four. */
const LINE_BYTES_MAX = 512 * 1024

/** Absolute path; null: not installed. */
export function findJournalctl(): string | null {
  return PLACES.find((place) => existsSync(place)) ?? null
}

export interface JournalQuery {
  /** Absolute path of journalctl. */
  readonly program: string
  /** Null: the host's own. */
  readonly directory: string | null
  readonly after: JournalPosition
  readonly timeMs: number
}

/**
 * The entries after a position, as lines of JSON, in order. It ends early when the time is over; whoever does not want more leaves.
 * @throws Error when journalctl fails, or a line is longer than any.
 */
export async function* readJournal({ program, directory, after, timeMs }: JournalQuery): AsyncGenerator<string> {
  const child = spawn(
    program,
    [
      '--output=json',
      `--output-fields=${JOURNAL_FIELDS.join(',')}`,
      '--no-pager',
      '--quiet',
      `--after-cursor=s=${after.id};i=${after.number.toString(16)}`,
      ...(directory === null ? [] : [`--directory=${directory}`]),
    ],
    { stdio: ['ignore', 'pipe', 'ignore'], env: { LC_ALL: 'C' }, cwd: '/' },
  )
  const ended = endOf(child)
  let isLate = false
  const timer = setTimeout(() => {
    isLate = true
    child.kill('SIGKILL')
  }, timeMs)
  try {
    const lines = new LineReader(LINE_BYTES_MAX)
    for await (const chunk of child.stdout) for (const line of lines.read(chunk as Buffer)) yield Buffer.from(line).toString()
    const code = await ended
    if (code !== 0 && !isLate) throw new Error(`journalctl ended with ${code ?? 'a signal'}`)
  } finally {
    clearTimeout(timer)
    child.kill('SIGKILL')
    await ended.catch(() => undefined) // Whoever waited for it was told.
  }
}

async function endOf(child: ChildProcess): Promise<number | null> {
  const [code] = (await once(child, 'close')) as [number | null]
  return code
}
