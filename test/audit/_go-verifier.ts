// SPDX-License-Identifier: Apache-2.0
// The program in verifier/: it knows nothing of ours, and golang.org/x/mod/sumdb is what judges.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, globSync, mkdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const sources = join(import.meta.dirname, 'verifier')

export interface VerifierResult {
  readonly code: number | null
  readonly output: string
}

/** Builds the program when its sources are new; the first time Go fetches the one module that it needs. */
export function buildVerifier(): string {
  const cache = join(process.env['XDG_CACHE_HOME'] ?? join(process.env['HOME'] ?? tmpdir(), '.cache'), 'sallyport-test')
  const digest = createHash('sha256')
  for (const file of globSync('*', { cwd: sources }).toSorted()) digest.update(`${file}\n`).update(readFileSync(join(sources, file)))
  const program = join(cache, `log-verifier-${digest.digest('hex').slice(0, 16)}`)
  if (existsSync(program)) return program
  mkdirSync(cache, { recursive: true })
  // Not the toolchain that go.mod could ask for from afar, and no C compiler
  const env = { GOCACHE: join(cache, 'go-build'), ...process.env, GOTOOLCHAIN: 'local', CGO_ENABLED: '0', GOFLAGS: '-mod=readonly' }
  const { status, stderr, error } = spawnSync('go', ['build', '-trimpath', '-o', program, '.'], { cwd: sources, env, encoding: 'utf8' })
  if (status !== 0) throw new Error(`Cannot build the verifier with Go (Debian package golang-go): ${error?.message ?? stderr}`)
  return program
}

export function runVerifier(program: string, args: readonly string[]): VerifierResult {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' })
  return { code: status, output: `${stdout}${stderr}` }
}
