// SPDX-License-Identifier: Apache-2.0
import { globSync } from 'node:fs'

export interface TestKind {
  readonly name: string
  readonly files: readonly string[]
  readonly concurrency: number
  readonly needsRoot: boolean
  readonly fileTimeLimitMs: number
}

const minuteMs = 60_000
const SERVERS = '.servers.test.ts'

/** In the order in which they run: the quickest answers first. */
export const testKinds: readonly TestKind[] = [
  {
    name: 'unit',
    files: ['packages/*/src/**/*.test.ts', 'scripts/**/*.test.ts'],
    // Some of them wait for time-outs that real servers have.
    concurrency: 3,
    needsRoot: false,
    fileTimeLimitMs: 5 * minuteMs,
  },
  { name: 'arch', files: ['test/arch/*.test.ts'], concurrency: 2, needsRoot: false, fileTimeLimitMs: 5 * minuteMs },
  { name: 'audit', files: ['test/audit/*.test.ts'], concurrency: 1, needsRoot: false, fileTimeLimitMs: 5 * minuteMs },
  { name: 'native', files: ['native/test/*.test.ts'], concurrency: 1, needsRoot: true, fileTimeLimitMs: 5 * minuteMs },
  { name: 'fault', files: ['test/fault/*.test.ts'], concurrency: 1, needsRoot: true, fileTimeLimitMs: 5 * minuteMs },
  { name: 'e2e', files: ['test/e2e/*.test.ts'], concurrency: 1, needsRoot: true, fileTimeLimitMs: 10 * minuteMs },
  { name: 'escape', files: ['test/escape/*.test.ts'], concurrency: 1, needsRoot: true, fileTimeLimitMs: 5 * minuteMs },
  // Also those of doubles that wait for the time-outs of real servers.
  {
    name: 'servers',
    files: ['test/servers/*.test.ts', `packages/*/src/**/*${SERVERS}`],
    concurrency: 1,
    needsRoot: true,
    fileTimeLimitMs: 15 * minuteMs,
  },
  { name: 'soak', files: ['test/soak/*.soak.ts'], concurrency: 1, needsRoot: true, fileTimeLimitMs: 120 * minuteMs },
]

/** What `make test` runs. */
export const defaultKinds: readonly string[] = ['unit', 'arch', 'audit', 'native', 'fault', 'e2e', 'escape']

export function filesOf(kind: TestKind, root: string): string[] {
  const isOthers = (file: string): boolean => kind.name !== 'servers' && file.endsWith(SERVERS)
  return globSync([...kind.files], { cwd: root })
    .filter((file) => !isOthers(file))
    .toSorted()
}
