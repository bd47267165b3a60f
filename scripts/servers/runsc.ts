// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cached } from './cache.ts'
import { say } from './python.ts'

/** Of the module gvisor.dev/gvisor (branch `go`, made from its Bazel sources); go.sum of the module below pins what it consists of. */
const VERSION = 'v0.0.0-20260905035102-160fafc42237'
const SUM = 'h1:AU5+CtCvnBnxdZRNcZt1NfSLqgkXZVT3N/u6u1aXg44='
const PROGRAM = 'gvisor.dev/gvisor/runsc'
/** Two processors need three minutes of their time, and six on the clock when others use them, too. */
const BUILD_LIMIT_MS = 30 * 60e3

/** A current runsc, for tests of gVisor: Debian's is of 2022. @throws Error when it cannot be built */
export function installRunsc(): void {
  cached(`runsc-${VERSION}`, (directory) => {
    say(`building runsc ${VERSION} from its Go module (some minutes)`)
    const source = join(directory, 'source')
    mkdirSync(source)
    writeFileSync(join(source, 'go.mod'), `module sallyport-test\n\ngo 1.26\n`)
    const go = (...words: readonly string[]): void =>
      void execFileSync('nice', ['-n', '10', 'go', ...words], {
        cwd: source,
        stdio: ['ignore', 'ignore', 'inherit'],
        timeout: BUILD_LIMIT_MS,
        env: { ...process.env, GOFLAGS: '-mod=mod', CGO_ENABLED: '0' },
      })
    go('get', `${PROGRAM}@${VERSION}`)
    assertSum(source)
    go(
      'build',
      '-trimpath',
      '-ldflags',
      `-X gvisor.dev/gvisor/runsc/version.version=${VERSION}`,
      '-o',
      join(directory, 'runsc.new'),
      PROGRAM,
    )
    renameSync(join(directory, 'runsc.new'), join(directory, 'runsc'))
    rmSync(source, { recursive: true })
  })
}

/** Whatever proxy served it: this very module. @throws Error when it is another */
function assertSum(source: string): void {
  const wanted = `gvisor.dev/gvisor ${VERSION} ${SUM}`
  if (!readFileSync(join(source, 'go.sum'), 'utf8').split('\n').includes(wanted))
    throw new Error(`the module is not the one that is pinned here (${SUM})`)
}
