// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { loadWorkflowParser, WorkflowError, type WorkflowParser, type WorkflowPlan } from '@sallyport/workflow'
import type { RunOptions } from '../contract.ts'
import { githubContext, workspacePath } from './github-context.ts'
import type { Repository } from './repository.spawn.ts'
import { matchWorkflows, resolveInputs, selectTriggered } from './select-workflows.ts'
import type { ReadWorkflow } from './workflow-files.ts'

const REPOSITORY: Repository = {
  root: '/r',
  slug: 'acme/tool',
  ref: 'refs/heads/main',
  commit: 'c'.repeat(40),
  actor: 'alice',
  isGit: false,
}
const JOBS = '\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps: [{ run: "true" }]\n'

let parser: WorkflowParser
before(async () => {
  parser = await loadWorkflowParser()
})

const plan = (on: string, file = 'ci.yml'): WorkflowPlan => parser.parseWorkflow(file, `on: ${on}${JOBS}`)
const read = (on: string, file = 'ci.yml'): ReadWorkflow => {
  const parsed = plan(on, file)
  return { file, name: parsed.name, digest: '', triggers: parsed.triggers, plan: parsed, unsupported: null }
}
/** Valid for GitHub, and not for us. */
function unsupported(on: string, file: string): ReadWorkflow {
  try {
    parser.parseWorkflow(file, `on: ${on}\njobs: { build: { runs-on: windows-latest, steps: [{ run: make }] } }`)
  } catch (error) {
    if (error instanceof WorkflowError && error.triggers !== null)
      return { file, name: file, digest: '', triggers: error.triggers, plan: null, unsupported: error }
  }
  throw new TypeError('Windows became supported')
}
const options = (changes: Partial<RunOptions> = {}): RunOptions =>
  ({ files: [], event: 'push', job: null, inputs: {}, payload: null, ...changes }) as unknown as RunOptions

async function triggered(on: string, changes: Partial<RunOptions> = {}): Promise<boolean> {
  const [match] = await matchWorkflows([read(on)], options(changes), REPOSITORY)
  return match?.triggered ?? false
}

test('an event triggers the workflows that listen to it', async () => {
  assert.equal(await triggered('push'), true)
  assert.equal(await triggered('pull_request'), false)
  assert.equal(await triggered('{ push: { branches: [release] } }'), false)
})

test('a file that the user names runs whatever its filters say, but not for another event that was named', async () => {
  assert.equal(await triggered('{ push: { branches: [release] } }', { files: ['ci.yml'] }), true)
  assert.equal(await triggered('workflow_dispatch', { files: ['ci.yml'] }), true)
  assert.equal(await triggered('workflow_dispatch', { files: ['ci.yml'], event: 'pull_request' }), false)
})

test('a file that is named and does not know push runs for what it knows, a dispatch before all', async () => {
  const eventOf = async (on: string): Promise<string | undefined> =>
    (await matchWorkflows([read(on)], options({ files: ['ci.yml'] }), REPOSITORY))[0]?.event
  assert.equal(await eventOf('[push, workflow_dispatch]'), 'push')
  assert.equal(await eventOf('[schedule, workflow_dispatch]'.replace('schedule', 'release')), 'workflow_dispatch')
  assert.equal(await eventOf('pull_request'), 'pull_request')
})

test('a file that asks for what is not supported matters only when it is triggered', async () => {
  const files = [read('push', 'a.yml'), unsupported('pull_request', 'windows.yml')]
  assert.deepEqual(
    selectTriggered(await matchWorkflows(files, options(), REPOSITORY), options()).map(({ plan: { file } }) => file),
    ['a.yml'],
  )
  const both = await matchWorkflows([read('push', 'a.yml'), unsupported('push', 'windows.yml')], options(), REPOSITORY)
  assert.throws(() => selectTriggered(both, options()), { code: 'WORKFLOW_INVALID', message: /windows\.yml:/ })
})

test('nothing to run says why, for each file', async () => {
  const matched = await matchWorkflows([read('pull_request', 'a.yml'), read('release', 'b.yml')], options(), REPOSITORY)
  assert.throws(() => selectTriggered(matched, options()), { code: 'NOTHING_TO_RUN', message: /a\.yml.*b\.yml/ })
})

test('a job that no triggered workflow has is an error that names those that there are', async () => {
  const matched = await matchWorkflows([read('push')], options(), REPOSITORY)
  assert.equal(selectTriggered(matched, options({ job: 'build' })).length, 1)
  assert.throws(() => selectTriggered(matched, options({ job: 'biuld' })), { code: 'JOB_UNKNOWN', message: /"build"/ })
})

const INPUTS =
  '{ workflow_dispatch: { inputs: { level: { type: choice, options: [low, high], default: low }, dry: { type: boolean }, count: { type: number, default: 3 }, name: { type: string, required: true } } } }'

const inputsOf = (inputs: Readonly<Record<string, string>>, event = 'workflow_dispatch'): unknown =>
  resolveInputs(plan(INPUTS), options({ event, inputs }))

test('inputs have the values and types that the workflow declares', () => {
  assert.deepEqual(inputsOf({ name: 'x' }), { level: 'low', dry: false, count: 3, name: 'x' })
  assert.deepEqual(inputsOf({ name: '', dry: 'true', count: '1.5', level: 'high' }), { level: 'high', dry: true, count: 1.5, name: '' })
})

for (const [what, inputs, message] of [
  ['a missing one', {}, /"name" is required/],
  ['an unknown one', { name: 'x', nmae: 'y' }, /nmae.*"level", "dry", "count", "name"/],
  ['a boolean that is none', { name: 'x', dry: 'yes' }, /dry=yes.*true or false/],
  ['a number that is none', { name: 'x', count: '' }, /count=.*a number/],
  ['a choice that is none', { name: 'x', level: 'mid' }, /level=mid.*low, high/],
] as const) {
  test(`${what} among the inputs is an error that says what would be right`, () => {
    assert.throws(() => inputsOf(inputs), { code: 'INPUT_INVALID', message })
  })
}

test('inputs of another event are unknown', () => {
  assert.throws(() => inputsOf({ name: 'x' }, 'push'), { code: 'INPUT_INVALID' })
})

const context = (
  changes: Partial<Repository> = {},
  payload: RunOptions['payload'] = null,
  event = 'push',
): Readonly<Record<string, unknown>> =>
  githubContext({
    repository: { ...REPOSITORY, ...changes },
    event,
    payload,
    inputs: { a: 1 },
    workflow: { name: 'CI', file: 'ci.yml' },
    runId: '20261122-x7',
  })

test('the github context tells branch and tag apart, and holds no token', () => {
  const { ref_name, ref_type, token, repository_owner, workflow_ref } = context() as Readonly<Record<string, string>>
  assert.deepEqual([ref_name, ref_type, token, repository_owner], ['main', 'branch', '', 'acme'])
  assert.equal(workflow_ref, 'acme/tool/ci.yml@refs/heads/main')
  assert.deepEqual([context({ ref: 'refs/tags/v1/x' })['ref_name'], context({ ref: 'refs/tags/v1' })['ref_type']], ['v1/x', 'tag'])
})

test('a payload is the event, with the repository where it has none; branches come from its pull request', () => {
  const payload = { pull_request: { head: { ref: 'feature' }, base: { ref: 'main' } }, sender: { login: 'eve' } }
  const { event, head_ref, base_ref } = context({}, payload, 'pull_request') as {
    event: Record<string, unknown>
    head_ref: string
    base_ref: string
  }
  assert.deepEqual([head_ref, base_ref, (event['sender'] as { login: string }).login], ['feature', 'main', 'eve'])
  assert.equal((event['repository'] as { full_name: string }).full_name, 'acme/tool')
  for (const odd of [{ pull_request: null }, { pull_request: 'x' }, { pull_request: { head: [] } }])
    assert.equal(context({}, odd)['head_ref'], '')
})

test('inputs are in the event of a manual run alone', () => {
  assert.deepEqual((context({}, null, 'workflow_dispatch')['event'] as { inputs: unknown }).inputs, { a: 1 })
  assert.equal('inputs' in (context()['event'] as object), false)
})

test('the run’s number is one for scripts', () => {
  assert.match(String(context()['run_id']), /^\d+$/)
})

test('the workspace’s name holds nothing that a path or a shell would take for more', () => {
  assert.equal(workspacePath(REPOSITORY), '/home/runner/work/tool/tool')
  assert.equal(workspacePath({ ...REPOSITORY, slug: 'a/b c$(id)\n' }), '/home/runner/work/b-c--id--/b-c--id--')
})
