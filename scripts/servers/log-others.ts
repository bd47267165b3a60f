// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { cacheDirectory, cached } from './cache.ts'
import { say } from './python.ts'

/** Go programs around what others wrote for logs; go.sum pins all of theirs. */
const SOURCES = join(import.meta.dirname, '../../test/servers/others')
const PROGRAMS = {
  litewitness: 'filippo.io/torchwood/cmd/litewitness',
  omniwitness: 'github.com/transparency-dev/witness/cmd/omniwitness',
  others: '.',
} as const
/** Two processors need two minutes of their time; other people may use them, too. */
const BUILD_LIMIT_MS = 30 * 60e3

export type LogProgram = keyof typeof PROGRAMS

/** Null: it is not there, and `make test-servers` builds it. */
export function logProgram(name: LogProgram): string | null {
  const program = join(cacheDirectory(), directoryName(), name)
  return existsSync(program) ? program : null
}

/**
 * Two witnesses that others wrote, and the clients and verifiers of ours.
 * @throws Error when they cannot be built: a module has other bytes than go.sum says, or the Go that go.mod asks for cannot be had
 */
export function installLogOthers(): void {
  cached(directoryName(), (directory) => {
    say('building the witnesses and verifiers of logs that others wrote, from their Go modules (some minutes)')
    // A Go that is older than go.mod says gets that one from the module proxy, and checks it
    const env = { ...process.env, GOTOOLCHAIN: 'auto', GOFLAGS: '-mod=readonly -buildvcs=false', CGO_ENABLED: '0' }
    for (const [name, source] of Object.entries(PROGRAMS))
      execFileSync('nice', ['-n', '10', 'go', 'build', '-trimpath', '-o', join(directory, name), source], {
        cwd: SOURCES,
        stdio: ['ignore', 'ignore', 'inherit'],
        timeout: BUILD_LIMIT_MS,
        env,
      })
  })
}

function directoryName(): string {
  const digest = createHash('sha256')
  for (const file of globSync('*', { cwd: SOURCES }).toSorted()) digest.update(`${file}\n`).update(readFileSync(join(SOURCES, file)))
  return `log-others-${digest.digest('hex').slice(0, 16)}`
}
