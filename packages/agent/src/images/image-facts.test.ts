// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import { imageFacts } from './image-facts.ts'

const directory = mkdtempSync(join(tmpdir(), 'sallyport-image-facts-'))
after(() => rmSync(directory, { recursive: true, force: true }))

let serial = 0
function treeOf(files: readonly string[], links: Readonly<Record<string, string>> = {}): string {
  serial += 1
  const root = join(directory, String(serial))
  mkdirSync(root)
  for (const path of files) {
    mkdirSync(join(root, dirname(path)), { recursive: true })
    writeFileSync(join(root, path), '')
    chmodSync(join(root, path), 0o755)
  }
  for (const [path, target] of Object.entries(links)) {
    mkdirSync(join(root, dirname(path)), { recursive: true })
    symlinkSync(target, join(root, path))
  }
  return root
}

const shellOf = (root: string, env: Readonly<Record<string, string>> = {}): 'bash' | 'sh' | null => imageFacts(root, env, 'x64').shell
const nodeProblemOf = (root: string): string | null => imageFacts(root, {}, 'x64').nodeProblem

test('bash is taken before sh, and neither is none', () => {
  assert.equal(shellOf(treeOf(['usr/bin/bash', 'usr/bin/sh'])), 'bash')
  assert.equal(shellOf(treeOf(['usr/bin/sh'], { bin: 'usr/bin' })), 'sh')
  assert.equal(shellOf(treeOf(['usr/bin/zsh'])), null)
})

test('a shell is looked for where the image looks for programs', () => {
  const root = treeOf(['opt/tools/bash', 'usr/bin/sh'])
  assert.equal(shellOf(root), 'sh')
  assert.equal(shellOf(root, { PATH: '/opt/tools:/usr/bin' }), 'bash')
  assert.equal(shellOf(root, { PATH: 'opt/tools:../usr/bin:' }), null)
})

test('links are followed within the tree, and never out of it', () => {
  assert.equal(shellOf(treeOf(['bin/busybox'], { 'bin/sh': '/bin/busybox' })), 'sh')
  assert.equal(shellOf(treeOf(['bin/busybox'], { 'bin/sh': '../../../../bin/busybox' })), 'sh')
  // The host has all of these.
  for (const target of ['/bin/sh', '/proc/self/exe', '/proc/self/root/bin/sh', '../../../../../../../../bin/sh', '/usr/bin/bash'])
    assert.equal(shellOf(treeOf([], { 'usr/bin/bash': target })), null, target)
})

test('links that lead nowhere or in a circle, and names without an end, are no shell', () => {
  assert.equal(shellOf(treeOf([], { 'usr/bin/bash': 'bash' })), null)
  assert.equal(shellOf(treeOf([], { 'usr/bin/bash': '/a', a: '/b', b: '/a' })), null)
  assert.equal(shellOf(treeOf([], { 'usr/bin/bash': `/${'x'.repeat(300)}` })), null)
  assert.equal(shellOf(treeOf(['usr/bin']), { PATH: '/usr/bin/' }), null)
})

test('a file that cannot be executed is no shell', () => {
  const root = treeOf(['usr/bin/bash'])
  chmodSync(join(root, 'usr/bin/bash'), 0o644)
  assert.equal(shellOf(root), null)
  const directoryOfThatName = treeOf(['usr/bin/bash/x'])
  assert.equal(shellOf(directoryOfThatName), null)
})

const GLIBC = ['usr/lib64/ld-linux-x86-64.so.2', 'usr/lib/x86_64-linux-gnu/libc.so.6', 'usr/lib/x86_64-linux-gnu/libm.so.6'] as const
const CPP = ['usr/lib/x86_64-linux-gnu/libstdc++.so.6', 'usr/lib/x86_64-linux-gnu/libgcc_s.so.1'] as const
const MERGED = { lib64: 'usr/lib64', lib: 'usr/lib' } as const

test('Node runs where its loader and libraries are', () => {
  assert.equal(nodeProblemOf(treeOf([...GLIBC, ...CPP], MERGED)), null)
})

test('an image without the GNU C library, or without libraries of C++, cannot run Node, and is told which', () => {
  assert.match(nodeProblemOf(treeOf(['lib/ld-musl-x86_64.so.1'])) ?? '', /no GNU C library \(\/lib64\/ld-linux-x86-64\.so\.2\).*Alpine/)
  assert.match(nodeProblemOf(treeOf(GLIBC, MERGED)) ?? '', /no libstdc\+\+\.so\.6, libgcc_s\.so\.1,/)
})
