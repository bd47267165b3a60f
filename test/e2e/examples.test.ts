// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { copyExample, readExamples } from '@sallyport/testkit'
import { assertNothingLeft } from '../_host.ts'
import { World } from '../_world.ts'

const world = new World()
after(() => world[Symbol.asyncDispose]())

describe('examples', () => {
  for (const { name, arguments: args, environment, exitCode } of readExamples()) {
    test(`${name} ends with ${exitCode} and leaves nothing`, async () => {
      using copy = copyExample(name)
      const run = await world.runJson(copy.directory, args, { env: environment })
      assert.equal(run.exitCode, exitCode, run.why)
      await assertNothingLeft(world)
    })
  }
})
