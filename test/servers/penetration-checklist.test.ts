// SPDX-License-Identifier: Apache-2.0
// A checklist of container escapes that others wrote, in a default job (docs/penetration-checklist.md).
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { JUSTIFICATIONS, judgeLines, linesOf } from '../../scripts/penetration/justified.ts'
import { enumerateInJob, judge, type Posture, type Verdict } from '../../scripts/penetration/run-checklist.ts'
import { cepheusPackages } from '../../scripts/servers/cepheus.ts'

describe('a penetration checklist of somebody else’s', () => {
  let packages: string
  let posture: Posture
  let verdict: Verdict

  before(() => {
    packages = cepheusPackages() ?? assert.fail('cepheus is not there: run make test-servers')
    posture = enumerateInJob(packages)
    verdict = judge(packages, posture)
  })

  test('says nothing of a default job that has no reason', () => {
    const judged = judgeLines(linesOf(posture, verdict))
    assert.deepEqual(
      judged.filter(({ why }) => why === null),
      [],
    )
    assert.equal(judged.length > 30, true)
    assert.equal(verdict.checked >= 75, true)
  })

  test('thinks nothing possible but what goes by the version of a program that a job can read', () => {
    const others = verdict.matched.filter(({ id }) => !/^cve_2025_(31133|52565|52881)$/.test(id))
    assert.deepEqual(others, [])
  })

  test('finds more where the walls are fewer', () => {
    const worse = {
      ...posture,
      capabilities: { effective: ['CAP_SYS_ADMIN'], bounding: ['CAP_SYS_ADMIN'], permitted: ['CAP_SYS_ADMIN'] },
      security: { ...posture.security, seccomp: 'disabled' },
      network: { ...posture.network, can_reach_docker_sock: true },
    }
    const found = judge(packages, worse)
    assert.equal(found.matched.length > verdict.matched.length + 5, true, JSON.stringify(found.matched.map(({ id }) => id)))
    assert.equal(
      judgeLines(linesOf(worse, found)).some(({ why }) => why === null),
      true,
    )
  })

  test('is committed with the reasons that stand in the code', () => {
    const page = readFileSync(join(import.meta.dirname, '../../docs/penetration-checklist.md'), 'utf8')
    assert.match(page, /without a reason: 0\./)
    const known = new Set(JUSTIFICATIONS.map(({ why }) => why))
    const given = [...page.matchAll(/^\| `.*` \| (.*) \|$/gm)].map(([, why]) => why ?? '')
    assert.deepEqual(
      given.filter((why) => !known.has(why)),
      [],
    )
    assert.equal(given.length > 8, true)
  })
})
