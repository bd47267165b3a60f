// SPDX-License-Identifier: Apache-2.0
import type { SourceChange, SourceChangeKind, SourceChanges, SourceProcess } from '../contract.ts'
import type { KeeperLine } from './keeper-requests.ts'

interface Change extends SourceChange {
  readonly processes: SourceProcess[]
}

/**
 * The lines of native/src/source-watch.c: `change PATH KINDS COUNT AT CGROUP`, each followed by `by PID INNER STARTED PROGRAM COMMAND` for its lineage; `seen PATH KIND`;
 * `unseen OVERFLOWS MORE`. `stepOf`: whose a cgroup of ours is.
 */
export function parseSourceChanges(lines: readonly KeeperLine[], stepOf: (cgroup: string) => string | null): SourceChanges {
  const changes: Change[] = []
  let lost = { overflows: 0, more: 0 }
  for (const { word, fields } of lines) {
    if (word === 'change') changes.push(parseChange(fields, stepOf))
    else if (word === 'by') changes.at(-1)?.processes.push(parseProcess(fields))
    else if (word === 'seen') changes.push(parseSeen(fields))
    else if (word === 'unseen') lost = { overflows: Number(fields[0]), more: Number(fields[1]) }
  }
  return { changes, ...lost }
}

function parseChange(
  [path = '', kinds = '', count = '', at = '', cgroup = '']: readonly string[],
  stepOf: (cgroup: string) => string | null,
): Change {
  return {
    path: unescapeText(path),
    kinds: kinds.split(',').filter((kind) => kind !== '') as SourceChangeKind[],
    count: Number(count),
    at: timeOf(at),
    step: stepOf(cgroup),
    witness: 'event',
    processes: [],
  }
}

function parseSeen([path = '', kind = '']: readonly string[]): Change {
  const kinds = [kind as SourceChangeKind]
  return { path: unescapeText(path), kinds, count: 1, at: new Date().toISOString(), step: null, witness: 'layers', processes: [] }
}

function parseProcess([pid = '', inner = '', started = '', program = '', command = '']: readonly string[]): SourceProcess {
  return {
    pid: Number(pid),
    innerPid: Number(inner),
    startedAt: timeOf(started),
    program: unescapeText(program),
    command: unescapeText(command).trimEnd(),
  }
}

function timeOf(milliseconds: string): string {
  return new Date(Number(milliseconds)).toISOString()
}

/** Bytes that are no UTF-8 become U+FFFD. */
function unescapeText(text: string): string {
  const bytes = text.split(/%([0-9a-f]{2})/).map((part, index) => Buffer.from(part, index % 2 === 0 ? 'latin1' : 'hex'))
  return Buffer.concat(bytes).toString('utf8')
}
