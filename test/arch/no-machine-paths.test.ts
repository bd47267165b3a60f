// SPDX-License-Identifier: Apache-2.0
// Nothing in the repository may depend on the machine that it was written on, or tell about it.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, test } from 'node:test'
import { readText, repositoryFiles, root } from './_repository.ts'

interface Forbidden {
  readonly what: string
  readonly text: string
}

describe('the repository', () => {
  test('names no package registry of this machine and no absolute path of it', (t) => {
    const forbidden = [...registryHost(), ...machinePaths()]
    if (forbidden.length === 0) return t.skip('the public registry, and paths too general to look for')
    const texts = repositoryFiles().filter(isText)
    assert.deepEqual(
      texts.flatMap((path) => findForbidden(path, readText(path), forbidden)),
      [],
    )
  })
})

describe('the search', () => {
  const forbidden: readonly Forbidden[] = [{ what: 'a path', text: '/somewhere/else' }]

  test('finds a forbidden text and names file and line', () => {
    assert.deepEqual(findForbidden('a.md', 'one\ntwo /somewhere/else/x\n', forbidden), ['a.md:2: a path'])
  })

  test('takes a longer path that only ends or begins alike for what it is', () => {
    assert.deepEqual(findForbidden('a.md', 'see /srv/somewhere/else/x and /somewhere/elsewhere', forbidden), [])
  })
})

function findForbidden(path: string, text: string, forbidden: readonly Forbidden[]): string[] {
  return text
    .split('\n')
    .flatMap((line, index) => forbidden.filter((item) => occursIn(line, item.text)).map(({ what }) => `${path}:${index + 1}: ${what}`))
}

/** As a word or path of its own, not inside of a longer one. */
function occursIn(line: string, text: string): boolean {
  for (let at = line.indexOf(text); at >= 0; at = line.indexOf(text, at + 1)) {
    if (!/[\w.-]/.test(line.charAt(at - 1)) && !/[\w-]/.test(line.charAt(at + text.length))) return true
  }
  return false
}

/** The public registry is no secret; any other host is this machine's own. */
function registryHost(): Forbidden[] {
  const answer = execFileSync('npm', ['config', 'get', 'registry'], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  }).trim()
  const host = URL.parse(answer)?.hostname
  if (host === undefined || host === '' || host.endsWith('npmjs.org')) return []
  return [{ what: 'the host of a package registry', text: host }]
}

/** Where this checkout lies, what lies beside it, and the home directory, unless they are as general as `/root` or `/tmp`. */
function machinePaths(): Forbidden[] {
  const general = new Set([
    '/',
    '/root',
    '/home',
    '/tmp',
    '/src',
    '/app',
    '/build',
    '/opt',
    '/srv',
    '/var',
    '/usr',
    '/mnt',
    '/github',
    '/workspace',
  ])
  const parent = dirname(root)
  const beside = general.has(parent) ? [] : readdirSync(parent).map((name) => join(parent, name))
  return [...new Set([root, ...beside, homedir()])]
    .filter((path) => !general.has(path))
    .map((path) => ({ what: 'an absolute path of this machine', text: path }))
}

function isText(path: string): boolean {
  const stat = statSync(join(root, path))
  return stat.isFile() && stat.size < 2 * 1024 * 1024
}
