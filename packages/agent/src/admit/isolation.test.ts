// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type AccessFile, type OperatorFile, parseAccessFile, parseOperatorFile } from '@sallyport/access'
import { SandboxError } from '@sallyport/sandbox'
import { chooseIsolation, type IsolationAsk } from './isolation.ts'

interface Case {
  readonly option?: IsolationAsk['option']
  /** `isolation:` of the repository's file and of the operator's. */
  readonly file?: string
  readonly operator?: string
  readonly programRule?: string
  /** Drivers that this host cannot run. */
  readonly broken?: readonly string[]
}

async function choose({ option = null, file, operator, programRule, broken = [] }: Case): Promise<string> {
  const request: AccessFile | null = file === undefined ? null : await parseAccessFile('sallyport.yml', `version: 1\nisolation: ${file}`)
  const ceiling: OperatorFile | null =
    operator === undefined ? null : await parseOperatorFile('/op.yml', `version: 1\nisolation: ${operator}`)
  const access = { files: { request, operator: ceiling }, programRule: programRule ?? null }
  const chosen = await chooseIsolation({ option, access, stateDirectory: '/nowhere' }, async (driver) =>
    broken.includes(driver)
      ? new SandboxError('SANDBOX_UNSUPPORTED', `Cannot build a sandbox: ${driver} is broken`, { hint: 'mend it' })
      : null,
  )
  return chosen.name + (chosen.notice === null ? '' : ` (${chosen.notice})`)
}

const refused = (asked: Case, message: RegExp): Promise<void> =>
  assert.rejects(choose(asked), (error: Error & { code?: string }) => error.code === 'SANDBOX_UNSUPPORTED' && message.test(error.message))

test('without a word it is oci, and nobody is told', async () => {
  assert.equal(await choose({}), 'oci')
  assert.equal(await choose({ broken: ['gvisor'] }), 'oci')
})

test('a name is that driver, and nothing else when it is broken', async () => {
  assert.equal(await choose({ option: 'gvisor' }), 'gvisor')
  assert.equal(await choose({ option: 'runc' }), 'runc')
  await refused({ option: 'gvisor', broken: ['gvisor'] }, /gvisor: gvisor is broken/)
  await assert.rejects(choose({ option: 'gvisor', broken: ['gvisor'] }), { hint: 'mend it' })
})

test('auto is the strongest that the host can run, and says why', async () => {
  assert.match(await choose({ option: 'auto' }), /^gvisor \(Isolation: gvisor, the strongest that this host can run\)$/)
  assert.match(await choose({ option: 'auto', broken: ['gvisor'] }), /^oci \(.*not gvisor: gvisor is broken\)$/)
})

test("the operator's minimum is raised to, and never fallen below", async () => {
  assert.match(await choose({ operator: 'gvisor' }), /^gvisor \(.*the operator asks for gvisor at least\)$/)
  assert.match(await choose({ operator: '{ minimum: gvisor }', file: 'oci' }), /^gvisor/)
  await refused({ operator: 'gvisor', option: 'oci' }, /"\/op\.yml" asks for gvisor at least/)
  await refused({ operator: 'gvisor', option: 'crun' }, /asks for gvisor at least/)
  await refused({ operator: 'gvisor', broken: ['gvisor'] }, /gvisor is broken/)
  await refused({ operator: 'gvisor', option: 'auto', broken: ['gvisor'] }, /gvisor is broken/)
})

test('what a repository asks for is not made less by auto', async () => {
  assert.equal(await choose({ file: 'gvisor' }), 'gvisor')
  await refused({ file: 'gvisor', option: 'auto', broken: ['gvisor'] }, /gvisor is broken/)
  assert.match(await choose({ file: 'auto', broken: ['gvisor'] }), /^oci/)
})

test('a rule that names programs is refused where a connection has none, by its text', async () => {
  const programRule = 'example.test:443  only /usr/bin/curl'
  await refused({ option: 'gvisor', programRule }, /example\.test:443 {2}only \/usr\/bin\/curl.*executables/)
  assert.match(await choose({ option: 'auto', programRule }), /^oci .*executables/)
  await refused({ option: 'auto', operator: 'gvisor', programRule }, /executables/)
})
