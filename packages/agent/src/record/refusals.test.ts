// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ExitCode } from '@sallyport/core'
import { SandboxError } from '@sallyport/sandbox'
import { AgentError } from '../agent-error.ts'
import { exitCodeOfError, Refusals } from './refusals.ts'

test('each kind of reason has its own exit code', () => {
  assert.equal(exitCodeOfError(new AgentError('GUARANTEE_MISSING', 'x')), ExitCode.guaranteeMissing)
  assert.equal(exitCodeOfError(new SandboxError('SANDBOX_UNSUPPORTED', 'x')), ExitCode.guaranteeMissing)
  assert.equal(exitCodeOfError(new AgentError('RUNNER_UNSUPPORTED', 'x')), ExitCode.badInput)
  assert.equal(exitCodeOfError(new AgentError('WRITE_REFUSED', 'x')), ExitCode.badInput)
  assert.equal(exitCodeOfError(AbortSignal.abort().reason), ExitCode.interrupted)
  for (const other of [new SandboxError('SANDBOX_LOST', 'x'), new Error('x'), 'x', null])
    assert.equal(exitCodeOfError(other), ExitCode.internal)
})

test('the same refusal is told once, and a flood of them is bounded', () => {
  const refusals = new Refusals()
  for (let index = 0; index < 5000; index++) {
    refusals.add({ job: 'j', step: '1', what: 'the same', detail: String(index) })
    refusals.add({ job: 'j', step: String(index), what: 'another', detail: '' })
  }
  assert.equal(refusals.refusals.filter(({ what }) => what === 'the same').length, 1)
  assert.equal(refusals.refusals.length, 1000)
})

test('the first error counts', () => {
  const refusals = new Refusals()
  refusals.setError(new AgentError('GUARANTEE_MISSING', 'first', { hint: 'do this' }))
  refusals.setError(new Error('second'))
  assert.deepEqual(refusals.error, {
    error: { code: 'GUARANTEE_MISSING', message: 'first', hint: 'do this' },
    exitCode: ExitCode.guaranteeMissing,
  })
})
