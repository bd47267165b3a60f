// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SandboxSpec } from '../contract.ts'
import { JOB_PROFILE, toOciSeccomp } from '../seccomp/index.ts'
import { buildBundle } from './bundle.ts'
import { hostThreads, toSentryBundle } from './sentry-bundle.ts'

const SPEC: SandboxSpec = {
  id: 'job-1',
  image: { kind: 'host' },
  rootfs: 'disposable',
  limits: { cpu: 1, memoryBytes: 2 ** 30, memorySwapBytes: 2 ** 30, pids: 100, diskBytes: 2 ** 30, diskInodes: 1000, openFiles: 1024 },
  nodeBinary: null,
  readOnlyBinds: [],
  directories: [],
  hostname: 'sallyport',
  gate: null,
}

const shared = buildBundle({
  spec: SPEC,
  idBase: 0x7000_0000,
  cgroupPath: '/sallyport/slot0-job-1',
  seccomp: toOciSeccomp(JOB_PROFILE, 'x64'),
  hasSudo: true,
})
const bundle = toSentryBundle(shared, SPEC.limits)

interface Linux {
  readonly namespaces: readonly Readonly<Record<string, unknown>>[]
  readonly uidMappings: unknown
  readonly resources: Readonly<Record<string, unknown>>
}

test('a kernel of its own gets the same ids, mounts and limits, and no namespace that somebody made before', () => {
  const [own, other] = [bundle['linux'] as Linux, shared['linux'] as Linux]
  assert.deepEqual(own.uidMappings, other.uidMappings)
  assert.deepEqual(own.namespaces.map(({ type }) => type).sort(), other.namespaces.map(({ type }) => type).sort())
  assert.ok(own.namespaces.every((namespace) => !('path' in namespace)))
  assert.deepEqual({ ...own.resources, pids: null }, { ...other.resources, pids: null })
  assert.deepEqual(own.resources['pids'], { limit: hostThreads(100) })
  const mounts = bundle['mounts'] as readonly unknown[]
  assert.deepEqual(mounts.slice(0, -1), shared['mounts'])
})

test('what its process 1 may do is nothing, and its control socket is its standard input', () => {
  const { args, capabilities } = bundle['process'] as { args: readonly string[]; capabilities: object }
  assert.deepEqual(args.slice(1), ['init', 'stdin'])
  assert.deepEqual(Object.values(capabilities).flat(), [])
})

test('/tmp is on the disk', () => {
  const mounts = bundle['mounts'] as readonly { readonly destination: string; readonly type: string }[]
  assert.equal(mounts.find(({ destination }) => destination === '/tmp')?.type, 'bind')
})
