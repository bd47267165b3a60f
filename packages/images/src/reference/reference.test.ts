// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ImagesError } from '../images-error.ts'
import { formatReference, parseReference } from './reference.ts'

const DIGEST = `sha256:${'a'.repeat(64)}`

test('references of registries are taken apart, and nothing is added but the tag that all tools add', () => {
  for (const [text, full] of [
    ['registry.example.test/app', 'registry.example.test/app:latest'],
    ['docker://registry.example.test/acme/app:1.0', 'registry.example.test/acme/app:1.0'],
    ['localhost/app:x', 'localhost/app:x'],
    ['localhost:5000/a/b/c_d__e-f.g', 'localhost:5000/a/b/c_d__e-f.g:latest'],
    ['127.0.0.1:5000/app', '127.0.0.1:5000/app:latest'],
    ['[::1]:5000/app', '[::1]:5000/app:latest'],
    [`registry.example.test/app@${DIGEST}`, `registry.example.test/app@${DIGEST}`],
    [`registry.example.test/app:1@${DIGEST}`, `registry.example.test/app:1@${DIGEST}`],
  ] as const) {
    const parsed = parseReference(text, undefined)
    assert.ok(parsed.kind === 'registry')
    assert.equal(formatReference(parsed), full)
  }
})

test('places on this machine', () => {
  assert.deepEqual(parseReference('oci:/a/b', undefined), { kind: 'oci', path: '/a/b', tag: null })
  assert.deepEqual(parseReference('oci:/a/b:1.0', undefined), { kind: 'oci', path: '/a/b', tag: '1.0' })
  assert.deepEqual(parseReference('oci-archive:/a/b.tar:x', undefined), { kind: 'oci-archive', path: '/a/b.tar', tag: 'x' })
  assert.deepEqual(parseReference('docker-archive:/a/b.tar:acme/app:1', undefined), {
    kind: 'docker-archive',
    path: '/a/b.tar',
    tag: 'acme/app:1',
  })
})

test('a short name is refused with what it would mean elsewhere; or means what the operator says', () => {
  for (const [text, meant] of [
    ['alpine', 'docker.io/library/alpine:latest'],
    ['acme/app:1', 'docker.io/acme/app:1'],
    [`alpine@${DIGEST}`, `docker.io/library/alpine@${DIGEST}`],
  ] as const)
    assert.throws(
      () => parseReference(text, undefined),
      (error: unknown) =>
        error instanceof ImagesError && error.code === 'IMAGE_REFERENCE_INVALID' && (error.hint ?? '').includes(meant.slice(0, 60)),
    )
  const parsed = parseReference('alpine:3', 'registry.example.test:5000/mirror')
  assert.ok(parsed.kind === 'registry')
  assert.equal(formatReference(parsed), 'registry.example.test:5000/mirror/alpine:3')
})

test('what is none is refused', () => {
  for (const text of [
    '',
    ' ',
    'registry.example.test/',
    'registry.example.test/App',
    'Registry.example.test/app',
    'registry.example.test/app:',
    'registry.example.test/app:.x',
    'registry.example.test/app:x:y',
    'registry.example.test/app@sha256:abc',
    `registry.example.test/app@${DIGEST}@${DIGEST}`,
    `registry.example.test/app@${DIGEST.toUpperCase()}`,
    'registry.example.test/../app',
    'registry.example.test//app',
    'registry.example.test:0/app',
    'registry.example.test:65536/app',
    'user:password@registry.example.test/app',
    'registry.example.test/app?x',
    'registry.example.test/app --help',
    '--help',
    'https://registry.example.test/app',
    'dir:/etc',
    'containers-storage:app',
    'docker-daemon:app:1',
    'oci:',
    'oci-archive:',
    'docker-archive:/a.tar:--x',
    'oci:/a\0b',
    `registry.example.test/${'a'.repeat(300)}`,
    'x'.repeat(2000),
  ])
    assert.throws(() => parseReference(text, undefined), { code: 'IMAGE_REFERENCE_INVALID' }, text.slice(0, 60))
})
