// SPDX-License-Identifier: Apache-2.0
// The requests that Torchwood's witness is tested with: ours has to answer them the same, so that clients need not know whose it is.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parseVerifierKey } from '@sallyport/audit-log'
import { TemporaryDirectory } from '../_witness.ts'
import { Witness } from './witness.ts'

interface Vectors {
  readonly log: string
  readonly requests: readonly { readonly status: number; readonly size?: number; readonly body: string }[]
}

const vectors = JSON.parse(readFileSync(new URL('../../vectors/torchwood-add-checkpoint.json', import.meta.url), 'utf8')) as Vectors

/** Their wrong signature has bits in its base64 that say nothing, which RFC 4648 (3.5) lets a decoder refuse, and ours does. */
const LOOSE = '6gx='

function canonical(body: string): string {
  return body.replace(LOOSE, '6gw=')
}

test('what others ask their own witness is answered as theirs does', async () => {
  await using directory = await TemporaryDirectory.create()
  const options = { directory: directory.path, name: 'w.example.test', logs: [parseVerifierKey(vectors.log)], onFork: () => undefined }
  await using witness = await Witness.open(options)
  assert.equal(vectors.requests.length, 11)
  for (const [index, { status, size, body }] of vectors.requests.entries()) {
    const answer = await witness.add(Buffer.from(canonical(body)))
    assert.equal(answer.status, status, `request ${index + 1}`)
    if (answer.status === 409) assert.equal(answer.size, size)
    if (body.includes(LOOSE)) assert.equal((await witness.add(Buffer.from(body))).status, 400)
  }
})
