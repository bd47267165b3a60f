// SPDX-License-Identifier: Apache-2.0
// docs/identity.md is true: its tables are those of the code, and its policies are sound.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { checkTrustPolicy } from './check/check-policy.ts'
import { FINDING_RULES } from './check/contract.ts'
import { CLAIMS } from './claims/claims.ts'

const TEXT = readFileSync(join(import.meta.dirname, '../../../docs/identity.md'), 'utf8')

/** Rows below the header that begins so. */
function tableBelow(header: string): string[][] {
  const lines = TEXT.slice(TEXT.indexOf(`\n| ${header} |`) + 1).split('\n')
  const end = lines.findIndex((line) => !line.startsWith('|'))
  return lines.slice(2, end).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  )
}

test('its table of claims is that of the minter', () => {
  assert.deepEqual(
    tableBelow('claim'),
    CLAIMS.map(({ name, says }) => [`\`${name}\``, says]),
  )
})

test('its table of findings has each one, and the subjects in it are found so', async () => {
  const rows = tableBelow('finding')
  assert.deepEqual(rows.map(([rule]) => rule).toSorted(), FINDING_RULES.map((rule) => `\`${rule}\``).toSorted())
  let subjects = 0
  for (const [rule = '', examples = ''] of rows)
    for (const [, subject = ''] of examples.matchAll(/`(repo:[^`]*)`/g)) {
      subjects += 1
      const role = { bound_audiences: ['x'], bound_claims_type: 'glob', bound_claims: { sub: subject } }
      const { findings } = await checkTrustPolicy('role.json', JSON.stringify(role))
      assert.deepEqual(
        findings.map((finding) => `\`${finding.rule}\``),
        [rule],
        subject,
      )
    }
  assert.ok(subjects >= 12)
})

test('its trust policies are sound', async () => {
  const policies = [...TEXT.matchAll(/```json\n(\{\n.*?)```/gs)].map(([, json = '']) => json)
  const kinds: string[] = []
  for (const policy of policies) {
    const { kind, findings } = await checkTrustPolicy('docs/identity.md', policy)
    assert.deepEqual(findings, [])
    kinds.push(kind)
  }
  assert.deepEqual(kinds, ['vault', 'aws', 'azure', 'google'])
})
