// SPDX-License-Identifier: Apache-2.0
// crun refuses a host with hybrid cgroups. In a mount namespace that shows version 2 alone it runs, and the whole contract is tried over it.
import assert from 'node:assert/strict'
import { type SpawnSyncReturns, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { inspectHost } from './host-support.ts'
import { findProgram } from './oci-runtime.spawn.ts'

/** Without controllers crun can set no limit. Each is named, and stops a job. */
const MISSING = ['memory-limit', 'pids-limit', 'cpu-limit']

/** Only in this namespace: the machine's own mounts stay as they are. */
const HIDE_V1 = 'mount --make-rprivate / && umount -R /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup && exec "$@"'

function whyNot(): string | false {
  if (process.getuid?.() !== 0) return 'mount namespaces need root'
  if (findProgram('crun') === null) return 'crun is not installed'
  if (inspectHost().cgroups !== 'hybrid') return 'this host is not hybrid: oci-driver.contract.test.ts covers crun here'
  return /^(memory|pids|cpu)\b/m.test(readFileSync('/proc/cgroups', 'utf8')) ? false : 'this kernel has no cgroup controllers'
}

function onV2(argv: readonly string[]): SpawnSyncReturns<string> {
  // Node's own test runner would take a child with its variable for a part of itself.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  return spawnSync('unshare', ['--mount', 'sh', '-c', HIDE_V1, 'sh', ...argv], { encoding: 'utf8', timeout: 240_000, env })
}

test('crun keeps the contract where only version 2 is mounted, and the self-check names what it cannot give', { skip: whyNot() }, () => {
  const suite = join(import.meta.dirname, '_crun-on-v2.ts')
  const { status, stdout, stderr } = onV2([process.execPath, '--test-reporter=tap', suite, JSON.stringify(MISSING)])
  assert.equal(status, 0, `${stdout.slice(-6000)}\n${stderr.slice(-2000)}`)
  assert.ok(Number(/^# pass (\d+)$/m.exec(stdout)?.[1]) > 30, 'the suite did not run')
})
