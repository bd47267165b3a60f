// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createSecretSet, type SecretSet } from '@sallyport/redaction'

const ROOT = join(import.meta.dirname, '../..')
const OUTPUT_BYTES_MAX = 4 * 2 ** 20

/** What builds print, from the programs themselves. Only the compiler and the package tools of the system may be absent. */
const PROGRAMS: Readonly<Record<string, readonly string[]>> = {
  'a listing of the system': ['ls', '-lR', '/usr/bin', '/usr/lib', '/etc'],
  'a tree of packages': ['npm', 'ls', '--all', '--offline'],
  'an installation, tried': ['npm', 'ci', '--dry-run', '--offline', '--ignore-scripts', '--loglevel=silly'],
  'a test runner': [process.execPath, '--test', '--test-reporter=spec', 'packages/redaction/src/interval-list.test.ts'],
  'test results as TAP': [process.execPath, '--test', '--test-reporter=tap', 'packages/redaction/src/row-cache.test.ts'],
  'a compiler': ['cc', '-v', '-E', '-dM', '-x', 'c', '/dev/null'],
  'an upgrade, tried': ['apt-get', '-s', 'dist-upgrade'],
  'the history of a repository': ['git', 'log', '-p', '-200', '--stat'],
  'a lock file with digests': ['cat', 'package-lock.json'],
  'digests of files': ['sh', '-c', 'find packages -name "*.ts" -type f -exec sha256sum {} +'],
  'base64 of a program': ['sh', '-c', 'head -c 1000000 "$0" | base64', process.execPath],
  'dumps of a program': ['sh', '-c', 'head -c 300000 "$0" | od -A x -t x1z; head -c 200000 "$0" | od -c', process.execPath],
}
const MAY_BE_ABSENT: ReadonlySet<string> = new Set(['cc', 'apt-get', 'git'])

function outputOf(argv: readonly string[]): Buffer | null {
  const [program = '', ...rest] = argv
  // A runner of tests that is told so prints for its parent, not for a log.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  const { error, stdout, stderr } = spawnSync(program, rest, { cwd: ROOT, env, maxBuffer: 2 ** 28, timeout: 120_000 })
  if (error !== undefined && 'code' in error && error.code === 'ENOENT' && MAY_BE_ABSENT.has(program)) return null
  assert.equal(error, undefined, program)
  return Buffer.concat([stdout, stderr]).subarray(0, OUTPUT_BYTES_MAX)
}

/** Tokens, keys and passwords of every usual kind, random: that one stands in a log can only be the redactor's mistake. */
function hundredSecrets(): SecretSet {
  const set = createSecretSet()
  for (let index = 0; index < 20; index += 1) {
    const values = [
      randomBytes(8).toString('base64url'),
      randomBytes(16 + index).toString('hex'),
      `ghp_${randomBytes(30).toString('base64url')}`,
      randomBytes(24).toString('base64'),
      `${randomBytes(6).toString('base64')}!$"'${randomBytes(6).toString('hex')}`,
    ]
    for (const value of values) assert.deepEqual(set.add(value), { masked: true })
  }
  return set
}

/** Whole and in the pieces that a pipe gives: both take ways of their own through the redactor. */
function masksIn(set: SecretSet, output: Buffer): number {
  const stream = set.createStream()
  for (let at = 0; at < output.length; at += 4096) stream.write(output.subarray(at, at + 4096))
  stream.end()
  stream.write(output)
  stream.end()
  return stream.maskedCount
}

test('a hundred random secrets mask nothing in what real programs print', (t) => {
  const set = hundredSecrets()
  let bytes = 0
  for (const [name, argv] of Object.entries(PROGRAMS)) {
    const output = outputOf(argv)
    if (output === null) {
      t.diagnostic(`not on this machine: ${argv[0]}`)
      continue
    }
    t.diagnostic(`${name}: ${output.length} bytes`)
    assert.ok(output.length > 300, `${name}: ${output.toString()}`)
    assert.equal(masksIn(set, output), 0, name)
    bytes += output.length
  }
  assert.ok(bytes > 2 ** 20, `${bytes} bytes are not enough to tell`)
  // The same set does mask: the test would else hold for a redactor that does nothing.
  set.add('a value for the lock file')
  assert.equal(masksIn(set, Buffer.concat([readFileSync(join(ROOT, 'package.json')), Buffer.from('a value for the lock file')])), 2)
})
