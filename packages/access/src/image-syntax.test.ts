// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AccessError } from './access-error.ts'
import { type AccessFile, parseAccessFile } from './access-file.ts'
import { canonicalAsk } from './canonical-ask.ts'
import { asksOf } from './describe.ts'
import { allowsImage, OPERATOR_IMAGES_DEFAULT } from './image-syntax.ts'
import { type OperatorFile, parseOperatorFile } from './operator-file.ts'

const DIGEST = `sha256:${'a'.repeat(64)}`

const ask = (image: string): Promise<AccessFile> => parseAccessFile('sallyport.yml', `version: 1\nimage: "${image}"`)
const operator = (text: string): Promise<OperatorFile> => parseOperatorFile('config.yml', `version: 1\n${text}`)

test('a repository can ask for an image of a registry, and that is part of what somebody approves', async () => {
  const file = await ask(`ghcr.io/acme/tools:1@${DIGEST}`)
  assert.equal(file.image, `ghcr.io/acme/tools:1@${DIGEST}`)
  assert.deepEqual(
    asksOf(file).map(({ text }) => text),
    [`to run in the image ghcr.io/acme/tools:1@${DIGEST}`],
  )
  assert.notEqual(canonicalAsk(file), canonicalAsk(await ask('ghcr.io/acme/tools:2')))
})

test('host is the default, and asks for nothing', async () => {
  const file = await ask('host')
  assert.equal(file.image, null)
  assert.deepEqual(asksOf(file), [])
  assert.equal(canonicalAsk(file), canonicalAsk(await parseAccessFile('sallyport.yml', 'version: 1')))
})

for (const image of [
  'oci:/var/lib/images',
  'oci-archive:/a.tar',
  'docker-archive:a.tar',
  'dir:/etc',
  'containers-storage:x/y',
  '/etc',
  '../a',
  'https://example.org/a',
  'a b',
  'example.org/a@sha256:00',
  'example.org//a',
  '-a',
  `a/${'b'.repeat(1000)}`,
])
  test(`a repository cannot ask for ${image.slice(0, 40)}`, async () => {
    const error = await ask(image).catch((thrown: unknown) => thrown)
    assert.ok(error instanceof AccessError && error.code === 'ACCESS_INVALID')
  })

test('the operator says what labels mean, and where images come from', async () => {
  const { images } = await operator(
    'images: { Ubuntu-24.04: "oci:/srv/images/u", deb: registry.test/deb:1, plain: host }\n' +
      'registries: { default: registry.test:5000/mirror, allow: [ghcr.io/acme], authorities: { "registry.test:5000": /etc/ca.pem }, dangerouslyWithoutTls: ["127.0.0.1:5000"] }',
  )
  assert.deepEqual(images, {
    labels: { 'ubuntu-24.04': 'oci:/srv/images/u', deb: 'registry.test/deb:1', plain: 'host' },
    defaultRegistry: 'registry.test:5000/mirror',
    allow: ['ghcr.io/acme/'],
    authorities: { 'registry.test:5000': '/etc/ca.pem' },
    dangerouslyWithoutTls: ['127.0.0.1:5000'],
  })
  assert.deepEqual((await operator('')).images, { ...OPERATOR_IMAGES_DEFAULT, allow: [] })
})

test('the operator is told what is no registry, no path and no reference', async () => {
  for (const text of [
    'images: { a: "" }',
    'images: { a: "x y" }',
    'registries: { default: "https://a" }',
    'registries: { allow: ["*"] }',
    'registries: { authorities: { a.test: relative.pem } }',
    'registries: { dangerouslyWithoutTls: [A] }',
    'registries: { mirrors: [] }',
  ]) {
    const error = await operator(text).catch((thrown: unknown) => thrown)
    assert.ok(error instanceof AccessError && error.code === 'ACCESS_CEILING_INVALID', text)
  }
})

test('a ceiling on images ends at the ends of names', () => {
  const images = { ...OPERATOR_IMAGES_DEFAULT, allow: ['ghcr.io/acme/', 'registry.test/'] }
  for (const name of ['ghcr.io/acme/a', 'ghcr.io/acme', 'registry.test/x/y']) assert.equal(allowsImage(images, name), true, name)
  for (const name of ['ghcr.io/acme-evil/a', 'ghcr.io/other', 'registry.test.evil/x', 'evil/ghcr.io/acme/a'])
    assert.equal(allowsImage(images, name), false, name)
  assert.equal(allowsImage(OPERATOR_IMAGES_DEFAULT, 'any.test/a'), true)
})
