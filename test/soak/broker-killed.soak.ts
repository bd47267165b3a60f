// SPDX-License-Identifier: Apache-2.0
// The long form of test/fault/broker-killed.test.ts.
import { test } from 'node:test'
import { World } from '../_world.ts'
import { BrokerKill, killAtMoments } from '../fault/_broker-kill.ts'
import { VaultDouble } from '../fault/_vault-double.ts'

const POINTS = 100

test(`killed at ${POINTS} moments, no run leaves anything at a manager that the next run does not end`, async (t) => {
  await using world = new World()
  await using vault = await VaultDouble.start()
  const left = await killAtMoments(POINTS, new BrokerKill(world, vault.provider(world.directory)), vault, (text) => t.diagnostic(text))
  t.diagnostic(`${left} lived on until the next run; ${vault.unusedTokens} tokens that made nothing live until their own end`)
})
