// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ImageChoice, type WantedImage, wantedImage } from './wanted-image.ts'

const NOTHING: ImageChoice = { container: null, runsOn: ['self-hosted', 'Ubuntu-24.04'], options: {}, request: null, labels: {} }
const CONTAINER = { image: 'a.test/container', credentials: { username: 'me', password: 'secret' }, secrets: ['PASS'] }

const named = (reference: string, by: string, credentials: unknown = null): WantedImage =>
  ({ kind: 'reference', reference, by, credentials }) as WantedImage

test('the most particular word counts', () => {
  const all = {
    ...NOTHING,
    container: CONTAINER,
    options: { 'ubuntu-24.04': 'oci:/a' },
    request: 'a.test/request',
    labels: { 'ubuntu-24.04': 'b' },
  }
  assert.deepEqual(wantedImage(all), named('a.test/container', 'container', CONTAINER.credentials))
  assert.deepEqual(wantedImage({ ...all, container: null }), named('oci:/a', 'option'))
  assert.deepEqual(wantedImage({ ...all, container: null, options: {} }), named('a.test/request', 'request'))
  assert.deepEqual(wantedImage({ ...all, container: null, options: {}, request: null }), named('b', 'label'))
  assert.deepEqual(wantedImage(NOTHING), { kind: 'host' })
})

test('a label that is said to be the host is the host, and other labels are nothing to it', () => {
  assert.deepEqual(wantedImage({ ...NOTHING, labels: { 'ubuntu-24.04': 'host' } }), { kind: 'host' })
  assert.deepEqual(wantedImage({ ...NOTHING, options: { 'ubuntu-22.04': 'oci:/a' }, labels: { constructor: 'x' } }), { kind: 'host' })
  assert.deepEqual(wantedImage({ ...NOTHING, runsOn: ['constructor', '__proto__'] }), { kind: 'host' })
})
