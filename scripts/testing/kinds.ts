// SPDX-License-Identifier: Apache-2.0
import { globSync } from 'node:fs'

export interface TestKind {
  readonly name: string
  readonly files: readonly string[]
  /** Whether its files run beside each other, and beside those of other kinds, but those of exclusive.ts. */
  readonly runsBeside: boolean
  readonly needsRoot: boolean
  /** Guards against a file that hangs, on a machine that is slow and shared; see `run-file.ts`. */
  readonly fileTimeLimitMs: number
}

const minuteMs = 60_000

/** Files that need something which `make test-servers` downloads or builds: they run there alone, wherever they lie. */
const NEED_SERVERS: readonly string[] = [
  'test/servers/*.test.ts',
  // Doubles of such servers, whose time-outs they wait for
  'packages/*/src/**/*.servers.test.ts',
  // A current runsc
  'packages/sandbox/src/drivers/gvisor-driver.contract.test.ts',
  'test/escape/gvisor.test.ts',
  'test/escape/gvisor-walls.test.ts',
]

/**
 * In the order in which they are begun: the quickest answers first. What is killed, and what gets through where a wall is missing, meets everything
 * that runs on the machine: such files run alone.
 */
export const testKinds: readonly TestKind[] = [
  kind('unit', ['packages/*/src/**/*.test.ts', 'scripts/**/*.test.ts'], { needsRoot: false }),
  kind('arch', ['test/arch/*.test.ts'], { needsRoot: false }),
  kind('audit', ['test/audit/*.test.ts'], { needsRoot: false }),
  kind('native', ['native/test/*.test.ts']),
  kind('fault', ['test/fault/*.test.ts'], { runsBeside: false }),
  kind('e2e', ['test/e2e/*.test.ts']),
  kind('escape', ['test/escape/*.test.ts'], { runsBeside: false }),
  kind('servers', NEED_SERVERS, { runsBeside: false, fileTimeLimitMs: 15 * minuteMs }),
  kind('soak', ['test/soak/*.soak.ts'], { runsBeside: false, fileTimeLimitMs: 120 * minuteMs }),
]

function kind(name: string, files: readonly string[], more: Partial<TestKind> = {}): TestKind {
  return { name, files, runsBeside: true, needsRoot: true, fileTimeLimitMs: 15 * minuteMs, ...more }
}

/** What `make test` runs. */
export const defaultKinds: readonly string[] = ['unit', 'arch', 'audit', 'native', 'fault', 'e2e', 'escape']

export function filesOf(kind: TestKind, root: string): string[] {
  const exclude = kind.name === 'servers' ? [] : globSync([...NEED_SERVERS], { cwd: root })
  return globSync([...kind.files], { cwd: root })
    .filter((file) => !exclude.includes(file))
    .toSorted()
}
