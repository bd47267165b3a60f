// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { drive, HOST_IMAGE, oneJob, outcomes, processOf } from './_drive.ts'
import type { ContainerRequest } from './contract.ts'

function requestOf(container: string, secrets: Readonly<Record<string, string>> = {}): ContainerRequest | null {
  const driven = drive(oneJob('- run: x', container), { input: { secrets } })
  const started = driven.commands.find((command) => command.type === 'start-job')
  return started?.type === 'start-job' ? started.container : assert.fail()
}

test('a job asks for the image of its container, by name or by mapping', () => {
  assert.deepEqual(requestOf('    container: example.org/a:1\n'), { image: 'example.org/a:1', credentials: null, secrets: [] })
  assert.equal(requestOf('    container: { image: docker://example.org/a:1 }\n')?.image, 'example.org/a:1')
  assert.equal(requestOf("    container: ${{ format('example.org/{0}', 'b') }}\n")?.image, 'example.org/b')
})

test('a job without a container, or with an empty one, asks for none', () => {
  for (const container of ['', "    container: ''\n", "    container: ${{ '' }}\n", '    container:\n'])
    assert.equal(requestOf(container), null, container)
})

test('credentials come from secrets, and only they do', () => {
  const container = '    container: { image: a, credentials: { username: me, password: "${{ secrets.PASS }}" } }\n'
  assert.deepEqual(requestOf(container, { PASS: 'p4ssword', OTHER: 'x' }), {
    image: 'a',
    credentials: { username: 'me', password: 'p4ssword' },
    secrets: ['PASS'],
  })
})

test('what the image and the container set lies under what the workflow and the runner set', () => {
  const container = '    container: { image: a, env: { B: container, C: container, D: container } }\n    env: { C: job, D: job }\n'
  const yaml = oneJob('- run: x\n  env: { D: step }', container)
  const env = { A: 'image', B: 'image', PATH: '/image/bin', HOME: '/root', GITHUB_ACTIONS: 'no', CI: 'no' }
  const driven = drive(yaml, { image: { ...HOST_IMAGE, env } })
  const { A, B, C, D, PATH, HOME, GITHUB_ACTIONS, CI } = processOf(driven, '1').env
  assert.deepEqual([A, B, C, D], ['image', 'container', 'job', 'step'])
  assert.deepEqual([PATH, HOME, GITHUB_ACTIONS, CI], ['/image/bin', '/home', 'true', 'true'])
})

test('a step runs with the shell that the image has', () => {
  const yaml = oneJob('- run: x')
  assert.equal(processOf(drive(yaml, { image: { ...HOST_IMAGE, shell: 'sh' } }), '1').argv[0], 'sh')
  const driven = drive(yaml, { image: { ...HOST_IMAGE, shell: null } })
  assert.deepEqual(outcomes(driven), { 1: 'failure' })
  assert.ok(driven.reports.some((report) => report.type === 'step.finished' && /neither bash nor sh/.test(report.data.message ?? '')))
})

test('a JavaScript action fails with the reason where the image cannot run Node', () => {
  const action = 'name: x\nruns: { using: node24, main: index.js }\n'
  const driven = drive(oneJob('- uses: ./act'), {
    actions: { act: action },
    image: { ...HOST_IMAGE, nodeProblem: 'the image has no C library of GNU' },
  })
  assert.deepEqual(outcomes(driven), { 1: 'failure' })
  assert.ok(driven.reports.some((report) => report.type === 'step.finished' && /no C library of GNU/.test(report.data.message ?? '')))
})
