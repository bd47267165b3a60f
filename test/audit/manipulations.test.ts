// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MANIPULATIONS } from './_manipulations.ts'
import { type Witnessing, World } from './_world.ts'

const WITNESSING: readonly Witnessing[] = ['none', 'one', 'two-of-three']

describe('root on the host of the log', () => {
  for (const { what, found, named, perform } of MANIPULATIONS) {
    const where = WITNESSING.filter((witnessing) => found[witnessing])
    it(`who would ${what} is found ${where.length === 0 ? 'by nobody' : `with witnesses: ${where.join(', ')}`}`, async () => {
      for (const witnessing of WITNESSING) {
        const world = new World(witnessing)
        const report = await world.check(await perform(world))
        const seen = JSON.stringify(report.findings.map(({ kind, message }) => `${kind}: ${message}`))
        assert.equal(!report.isSound, found[witnessing], `${witnessing}: ${seen}`)
        if (found[witnessing] && named !== undefined) assert.equal(report.manipulation, named, `${witnessing}: ${seen}`)
      }
    })
  }

  for (const { what, found, ownHostHasKeys, foundOnHost = found.none && ownHostHasKeys !== true, perform } of MANIPULATIONS) {
    it(`who would ${what} is found ${foundOnHost ? 'there' : 'neither there'}, where the signer remembers`, async () => {
      const world = new World('none')
      const { isSound, findings } = await world.checkOnHost(await perform(world))
      assert.equal(!isSound, foundOnHost, JSON.stringify(findings.map(({ kind, message }) => `${kind}: ${message}`)))
    })
  }

  it('who does nothing is found by nobody', async () => {
    const nothing = MANIPULATIONS.find(({ what }) => what.startsWith('log what has not happened'))
    for (const witnessing of WITNESSING) {
      const world = new World(witnessing)
      const report = await world.check(await (nothing?.perform(world) ?? assert.fail()))
      assert.deepEqual([report.findings, report.isSound], [[], true])
    }
  })
})
