// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { World } from '../_world.ts'
import { BrokerKill, killAtMoments } from './_broker-kill.ts'
import { VaultDouble } from './_vault-double.ts'

const POINTS = 8

describe('kill -9 of every process of Sallyport, while a job has dynamic secrets', () => {
  const world = new World()
  let vault: VaultDouble
  let runs: BrokerKill

  before(async () => {
    vault = await VaultDouble.start()
    runs = new BrokerKill(world, vault.provider(world.directory))
  })
  after(async () => {
    await vault[Symbol.asyncDispose]()
    await world[Symbol.asyncDispose]()
  })

  test('a run that is not killed leaves nothing', async () => {
    const ran = await runs.start().result
    assert.equal(ran.exitCode, 0, ran.stdout + ran.stderr)
    assert.equal(vault.made, 2)
    assert.deepEqual([vault.liveLeases, vault.liveTokens, vault.unusedTokens, runs.journals], [0, 0, 0, []])
  })

  test(`at ${POINTS} moments: the next run ends what was left, though it needs no secret itself`, async (t) => {
    const left = await killAtMoments(POINTS, runs, vault, (text) => t.diagnostic(text))
    t.diagnostic(`${left} lived on until the next run; ${vault.unusedTokens} tokens that made nothing live until their own end`)
  })

  test('with a lease that lives at that moment, and a manager that takes longer than the next run', async () => {
    await runs.killHolding(async () => vault.liveLeases)
    vault.endMs = 4000
    await runs.nextRun()
    vault.endMs = 0
    assert.deepEqual([vault.liveLeases, vault.liveTokens, runs.journals], [0, 0, []])
  })

  test('and `secrets leases` tells what lives, and ends it', async () => {
    await runs.killHolding(async () => vault.liveLeases)
    const open = await runs.leases()
    assert.deepEqual(
      open.leases.map(({ state, provider, job }) => [state, provider, job]),
      [['abandoned', 'manager', 'build']],
    )
    assert.ok(vault.liveLeases > 0)
    assert.deepEqual(await runs.leases('--sweep'), { leases: [], swept: { revoked: 1, unrevoked: [] } })
    assert.deepEqual([vault.liveLeases, vault.liveTokens, runs.journals], [0, 0, []])
    const shown = await world.run(['audit', 'show', '--type', 'secret.swept'])
    assert.match(shown.stdout, /"by":"leases","revoked":1/)
  })
})
