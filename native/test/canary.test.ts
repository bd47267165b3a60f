// SPDX-License-Identifier: Apache-2.0
// The canaries in a place without walls: whatever holds there proves nothing. Only in namespaces of its own for processes and
// network, so that an attempt that succeeds reaches nothing of the machine.
import assert from 'node:assert/strict'
import { readlinkSync } from 'node:fs'
import { test } from 'node:test'
import { GUARANTEES } from '@sallyport/sandbox'
import { buildHelper, type Finished, run } from './_helper.ts'

const helper = buildHelper()
const namespaces = ['user', 'pid', 'mnt', 'net', 'ipc', 'uts', 'cgroup']

/** All but the three that the host checks in the cgroup. */
const guarantees = GUARANTEES.filter((name) => !['memory-limit', 'pids-limit', 'cpu-limit'].includes(name))

function hostNamespaces(): string[] {
  return namespaces.flatMap((name) => ['--host-ns', `${name}=${readlinkSync(`/proc/self/ns/${name}`).replace(/\D/g, '')}`])
}

function options(): string[] {
  return [
    '--hostname',
    'box',
    '--network',
    'none',
    '--kernel',
    'shared',
    '--host-version',
    'another',
    '--caps',
    'eb',
    '--open-files',
    '4321',
    '--disk',
    '/',
    '--disk-bytes',
    '1000',
    '--ids',
    '65536',
    '--inodes',
    '10',
    ...hostNamespaces(),
  ]
}

/** Beside a target of the same user, as another step would be. */
function canaryWithoutWalls(): Finished {
  const script = `'${helper}' canary-target > /dev/null & target=$!; '${helper}' canary "$@" --peer $target`
  return run('unshare', ['--net', '--pid', '--fork', '--mount-proc', 'sh', '-c', script, 'sh', ...options()])
}

interface Check {
  readonly guarantee: string
  readonly holds: boolean
  readonly evidence: string
}

function parse(stdout: Buffer): Check[] {
  const lines = stdout.toString().split('\n')
  assert.equal(lines.pop(), '')
  assert.equal(lines.pop(), `done ${lines.length}`)
  return lines.map((line) => {
    const match = /^([a-z-]+) (holds|fails) (.+)$/.exec(line)
    assert.ok(match !== null, line)
    return { guarantee: match[1] ?? '', holds: match[2] === 'holds', evidence: match[3] ?? '' }
  })
}

test('without walls every guarantee has a check that fails', () => {
  const done = canaryWithoutWalls()
  assert.equal(done.status, 0, done.stderr)
  const checks = parse(done.stdout)
  const failed = new Set(checks.filter(({ holds }) => !holds).map(({ guarantee }) => guarantee))
  assert.deepEqual(
    guarantees.filter((guarantee) => !failed.has(guarantee)),
    [],
  )
  assert.deepEqual([...new Set(checks.map(({ guarantee }) => guarantee))].toSorted(), guarantees.toSorted())
})

test('a call that reaches the kernel counts as a failure, whatever the kernel then says', () => {
  const checks = parse(canaryWithoutWalls().stdout)
  for (const name of [
    'mount',
    'bpf',
    'perf_event_open',
    'io_uring_setup',
    'keyctl',
    'ptrace',
    'clone3',
    'setns',
    'ioctl TIOCSTI',
    'unshare(CLONE_NEWUSER)',
  ]) {
    const check = checks.find(({ guarantee, evidence }) => guarantee === 'seccomp' && evidence.startsWith(`${name}: `))
    assert.equal(check?.holds, false, name)
  }
})

test('options are required, known and well-formed', () => {
  const bad = [
    [],
    [...options()],
    [...options(), '--peer'],
    [...options(), '--peer', '0'],
    [...options(), '--peer', '1', '--unknown', 'x'],
    [...options(), '--peer', '1', '--caps', '0x1'],
    [...options(), '--peer', '1', '--network', 'host'],
    [...options(), '--peer', '1', '--host-ns', 'time=1'],
  ]
  for (const args of bad) {
    const done = run('unshare', ['--net', helper, 'canary', ...args])
    assert.deepEqual([done.status, done.stdout.toString()], [125, ''], args.slice(-2).join(' '))
  }
})
