// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SandboxSpec } from '../contract.ts'
import { SANDBOX_PATHS } from '../contract.ts'
import { JOB_PROFILE, toOciSeccomp } from '../seccomp/index.ts'
import { buildBundle } from './bundle.ts'

function specOf(changes: Partial<SandboxSpec> = {}): SandboxSpec {
  return {
    id: 'job-1',
    image: { kind: 'host' },
    rootfs: 'disposable',
    limits: {
      cpu: 1.5,
      memoryBytes: 2 ** 30,
      memorySwapBytes: 2 ** 30,
      pids: 256,
      diskBytes: 2 ** 32,
      diskInodes: 10_000,
      openFiles: 1024,
    },
    nodeBinary: '/opt/node/bin/node',
    readOnlyBinds: [{ source: '/opt/tool', target: '/opt/tool' }],
    directories: [],
    hostname: 'sallyport',
    gate: null,
    ...changes,
  }
}

const SECCOMP = { defaultAction: 'SCMP_ACT_ERRNO' } as unknown as ReturnType<typeof toOciSeccomp>

function bundleOf(changes: Partial<SandboxSpec> = {}, seccomp = SECCOMP): Readonly<Record<string, unknown>> {
  const spec = specOf(changes)
  return buildBundle({ spec, idBase: 0x7000_0000, cgroupPath: '/sallyport/slot0-job-1', seccomp, hasSudo: spec.rootfs !== 'read-only' })
}

/** With `node --test-update-snapshots`; a change of the file is a change of a wall. */
test('the bundle of a sandbox with a disposable root is the one that was reviewed', (context) => {
  context.assert.snapshot(bundleOf())
})

test('the bundle of a sandbox with a read-only root is the one that was reviewed', (context) => {
  context.assert.snapshot(bundleOf({ rootfs: 'read-only', nodeBinary: null, readOnlyBinds: [] }))
})

interface Mount {
  readonly destination: string
  readonly type: string
  readonly source: string
  readonly options: readonly string[]
}

const mountsOf = (bundle: Readonly<Record<string, unknown>>): readonly Mount[] => bundle['mounts'] as readonly Mount[]

test('no mount honours a setuid bit or makes a device, and every bind is read-only', () => {
  for (const { destination, type, options } of mountsOf(bundleOf())) {
    assert.ok(options.includes('nosuid'), destination)
    assert.ok(options.includes('nodev') || type === 'devpts', destination)
    if (type === 'bind') assert.ok(options.includes('ro'), destination)
  }
})

test('no mount comes from the host but the helper, Node and what was asked for', () => {
  const sources = mountsOf(bundleOf())
    .filter(({ type }) => type === 'bind')
    .map(({ source }) => source)
  assert.deepEqual([...new Set(sources)], ['/run/sallyport/box/helper', '/opt/node/bin/node', '/opt/tool'])
})

test('what lies below another mount comes after it', () => {
  const destinations = mountsOf(bundleOf()).map(({ destination }) => destination)
  for (const [index, destination] of destinations.entries()) {
    const parents = destinations.slice(index + 1).filter((later) => destination.startsWith(`${later}/`))
    assert.deepEqual(parents, [], destination)
  }
  assert.ok(destinations.includes(SANDBOX_PATHS.step))
})

test('PID 1 has no capability and no way to new ones', () => {
  const { capabilities, noNewPrivileges } = bundleOf()['process'] as Readonly<Record<string, unknown>>
  assert.deepEqual(Object.values(capabilities as object).flat(), [])
  assert.equal(noNewPrivileges, true)
})

test('every namespace is a new one, or the one that the keeper made for this sandbox alone', () => {
  const { namespaces } = bundleOf()['linux'] as { namespaces: readonly Readonly<Record<string, unknown>>[] }
  assert.deepEqual(namespaces.map(({ type }) => type).sort(), ['cgroup', 'ipc', 'mount', 'network', 'pid', 'user', 'uts'])
  const joined = namespaces.flatMap(({ path }) => (path === undefined ? [] : [path]))
  assert.deepEqual(joined, ['/run/sallyport/box/user'])
})

test('a quota of the processor below the kernel’s smallest is the smallest', () => {
  const quotaOf = (cpu: number): unknown => {
    const { resources } = bundleOf({ limits: { ...specOf().limits, cpu } })['linux'] as { resources: { cpu: { quota: number } } }
    return resources.cpu.quota
  }
  assert.deepEqual([quotaOf(0.001), quotaOf(0.5), quotaOf(16)], [1000, 50_000, 1_600_000])
})

test('the same input gives the same bundle, with the real filter too, and nothing that JSON drops', () => {
  const bundle = bundleOf({}, toOciSeccomp(JOB_PROFILE, 'x64'))
  assert.deepEqual(bundle, bundleOf({}, toOciSeccomp(JOB_PROFILE, 'x64')))
  assert.deepEqual(JSON.parse(JSON.stringify(bundle)), bundle)
})
