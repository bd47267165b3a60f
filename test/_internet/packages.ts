// SPDX-License-Identifier: Apache-2.0
// What package managers find in the tests' internet: an npm registry, a Python index whose files lie on another host, an apt repository, a git repository; each a few static files.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { commit, git, writeFiles } from '../_world.ts'

function inScratch<T>(work: (directory: string) => T): T {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-packages-'))
  try {
    return work(directory)
  } finally {
    rmSync(directory, { recursive: true })
  }
}

function run(cwd: string, program: string, ...words: readonly string[]): void {
  execFileSync(program, words, { cwd, stdio: ['ignore', 'ignore', 'pipe'] })
}

const digest = (algorithm: string, path: string, encoding: 'hex' | 'base64'): string =>
  createHash(algorithm).update(readFileSync(path)).digest(encoding)

/** `https://registry.test/small-sum`: version 1.0.0 exports a function that adds. */
export function publishNpmPackage(root: string): void {
  inScratch((directory) => {
    const manifest = { name: 'small-sum', version: '1.0.0', main: 'index.js' }
    writeFiles(directory, {
      'package/package.json': JSON.stringify(manifest),
      'package/index.js': 'module.exports = (a, b) => a + b\n',
    })
    const tarball = join(root, 'tarballs', 'small-sum-1.0.0.tgz')
    mkdirSync(join(root, 'tarballs'), { recursive: true })
    run(directory, 'tar', '-czf', tarball, 'package')
    const dist = {
      tarball: 'https://registry.test/tarballs/small-sum-1.0.0.tgz',
      shasum: digest('sha1', tarball, 'hex'),
      integrity: `sha512-${digest('sha512', tarball, 'base64')}`,
    }
    const packument = { name: manifest.name, 'dist-tags': { latest: '1.0.0' }, versions: { '1.0.0': { ...manifest, dist } } }
    writeFileSync(join(root, 'small-sum'), JSON.stringify(packument))
  })
}

/** `https://pypi.test/simple/`: small-sum 1.0, its wheel on files.test (PEP 503, PEP 427). */
export function publishWheel(root: string): void {
  inScratch((directory) => {
    const info = 'small_sum-1.0.dist-info'
    writeFiles(directory, {
      'small_sum.py': 'def add(a, b):\n    return a + b\n',
      [`${info}/METADATA`]: 'Metadata-Version: 2.1\nName: small-sum\nVersion: 1.0\n',
      [`${info}/WHEEL`]: 'Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n',
      [`${info}/RECORD`]: `small_sum.py,,\n${info}/METADATA,,\n${info}/WHEEL,,\n${info}/RECORD,,\n`,
    })
    const name = 'small_sum-1.0-py3-none-any.whl'
    const wheel = join(root, 'wheels', name)
    mkdirSync(join(root, 'wheels'), { recursive: true })
    run(directory, 'python3', '-m', 'zipfile', '-c', wheel, 'small_sum.py', info)
    writeFiles(root, {
      'simple/small-sum/index.html': `<!DOCTYPE html><a href="https://files.test/wheels/${name}#sha256=${digest('sha256', wheel, 'hex')}">${name}</a>\n`,
    })
  })
}

/** `http://deb.test/debian /`: a flat repository with the package small-sum. */
export function publishDebianPackage(root: string): void {
  inScratch((directory) => {
    const control = 'Package: small-sum\nVersion: 1.0\nArchitecture: all\nMaintainer: Nobody <nobody@example.test>\nDescription: adds\n'
    writeFiles(directory, { 'tree/DEBIAN/control': control, 'tree/usr/share/small-sum/sum.sh': 'echo $(($1 + $2))\n' })
    const deb = join(root, 'debian', 'small-sum_1.0_all.deb')
    mkdirSync(join(root, 'debian'), { recursive: true })
    run(directory, 'dpkg-deb', '--root-owner-group', '--build', 'tree', deb)
    const facts = `Filename: small-sum_1.0_all.deb\nSize: ${statSync(deb).size}\nSHA256: ${digest('sha256', deb, 'hex')}\n`
    const packages = `${control}${facts}\n`
    const sha256 = createHash('sha256').update(packages).digest('hex')
    writeFiles(root, {
      'debian/Packages': packages,
      'debian/Release': `Date: ${new Date().toUTCString()}\nSHA256:\n ${sha256} ${Buffer.byteLength(packages)} Packages\n`,
    })
  })
}

/** `https://git.test/acme/library.git` (dumb HTTP), and the same directory over SSH at the path that this returns. */
export function publishGitRepository(root: string): string {
  return inScratch((directory) => {
    git(directory, 'init', '-q', '-b', 'main')
    writeFiles(directory, { 'README.md': 'a library\n' })
    commit(directory)
    const bare = join(root, 'acme', 'library.git')
    mkdirSync(join(root, 'acme'), { recursive: true })
    git(directory, 'clone', '-q', '--bare', directory, bare)
    git(bare, 'update-server-info')
    cpSync(bare, join(root, 'attacker', 'library.git'), { recursive: true })
    return bare
  })
}
