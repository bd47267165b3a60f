// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import type { HostFinding } from '../../contract.ts'
import { driftSince, readBaseline, writeBaseline } from './drift.ts'
import { hardeningFindings } from './examine-hardening.ts'
import { HostView } from './host-view.ts'
import { runtimeVersions } from './runtime-versions.ts'
import { compareVersions } from './version-order.ts'

const roots: string[] = []
after(() => {
  for (const root of roots) rmSync(root, { recursive: true, force: true })
})

type Files = Readonly<Record<string, string | Buffer | { readonly text: string; readonly mode: number }>>

/** What a well-kept Debian host says of itself. */
const HARDENED: Files = {
  '/proc/sys/kernel/randomize_va_space': '2\n',
  '/proc/sys/fs/protected_symlinks': '1\n',
  '/proc/sys/fs/protected_hardlinks': '1\n',
  '/proc/sys/fs/protected_fifos': '1\n',
  '/proc/sys/fs/protected_regular': '2\n',
  '/proc/sys/fs/suid_dumpable': '0\n',
  '/proc/sys/kernel/kptr_restrict': '2\n',
  '/proc/sys/kernel/dmesg_restrict': '1\n',
  '/proc/sys/kernel/yama/ptrace_scope': '1\n',
  '/proc/sys/kernel/unprivileged_bpf_disabled': '2\n',
  '/proc/sys/net/core/bpf_jit_harden': '2\n',
  '/proc/sys/kernel/perf_event_paranoid': '3\n',
  '/proc/sys/kernel/kexec_load_disabled': '1\n',
  '/proc/sys/vm/mmap_min_addr': '65536\n',
  '/proc/sys/vm/unprivileged_userfaultfd': '0\n',
  '/proc/sys/user/max_user_namespaces': '10000\n',
  '/proc/sys/kernel/unprivileged_userns_clone': '0\n',
  '/proc/sys/kernel/core_pattern': 'core\n',
  '/proc/version': 'Linux version 6.1.0-31-amd64 (debian-kernel@example.test) #1 SMP Debian 6.1.128-1 (2025-02-07)\n',
  '/sys/devices/system/cpu/vulnerabilities/meltdown': 'Mitigation: PTI\n',
  '/sys/devices/system/cpu/vulnerabilities/mds': 'Not affected\n',
  '/sys/devices/system/cpu/smt/active': '1\n',
  '/proc/swaps': 'Filename\tType\tSize\tUsed\tPriority\n/dev/dm-1 partition 1 0 -2\n',
  '/sys/block/dm-1/dm/uuid': 'CRYPT-PLAIN-swap\n',
  '/etc/passwd': 'root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n',
  '/etc/group': 'root:x:0:\ndocker:x:999:ann\n',
  '/etc/shadow': { text: 'root:*', mode: 0o640 },
  '/etc/ssh/ssh_host_ed25519_key': { text: 'key', mode: 0o600 },
  '/home/ann/.ssh/id_ed25519': { text: 'key', mode: 0o600 },
  '/home/ann/.ssh/id_ed25519.pub': { text: 'public', mode: 0o644 },
  '/proc/net/tcp': '  sl  local_address rem_address   st\n   0: 0100007F:1F90 00000000:0000 0A 0\n   1: 00000000:1F91 00000000:0000 01 0\n',
  '/proc/net/route': 'Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\neth0\t0000000A\t00000000\t0001\t0\t0\t0\t000000FF\n',
}

function hostWith(changes: Files = {}): HostView {
  const root = mkdtempSync(join(tmpdir(), 'sallyport-host-'))
  roots.push(root)
  for (const [path, file] of Object.entries({ ...HARDENED, ...changes })) {
    const { text, mode } = typeof file === 'string' || Buffer.isBuffer(file) ? { text: file, mode: 0o644 } : file
    mkdirSync(join(root, dirname(path)), { recursive: true, mode: 0o755 })
    writeFileSync(join(root, path), text)
    chmodSync(join(root, path), mode)
  }
  return new HostView(root)
}

const rootOf = (): string => roots.at(-1) ?? assert.fail()
const RUNC = [{ name: 'runc', version: 'runc 1.3.3' }]

const look = (view: HostView, runtimes = RUNC): readonly HostFinding[] =>
  hardeningFindings({ view, runtimes, stateDirectory: '/var/lib/sallyport', operatorFile: '/etc/sallyport/config.yml' })

/** What is not as it should be, by id. */
const wrong = (findings: readonly HostFinding[]): Readonly<Record<string, string>> =>
  Object.fromEntries(findings.filter(({ state }) => state !== 'ok').map(({ id, state }) => [id, state]))

function only(findings: readonly HostFinding[], id: string): HostFinding {
  return findings.find((finding) => finding.id === id) ?? assert.fail(id)
}

describe('a host', () => {
  test('that is well kept has nothing to do', () => {
    assert.deepEqual(wrong(look(hostWith())), {})
  })

  test('that tells nothing is not taken for a good one', () => {
    const view = new HostView(join(tmpdir(), 'sallyport-no-such-host'))
    const findings = look(view)
    assert.equal(only(findings, 'sysctl:kernel.randomize_va_space').state, 'unknown')
    assert.equal(only(findings, 'kernel-escapes').state, 'unknown')
    assert.equal(only(findings, 'cpu-flaws').state, 'unknown')
    assert.equal(only(findings, 'userns').state, 'missing')
  })

  const spoilt: readonly (readonly [string, Files, string, HostFinding['state'], RegExp])[] = [
    [
      'whose addresses can be guessed',
      { '/proc/sys/kernel/randomize_va_space': '0\n' },
      'sysctl:kernel.randomize_va_space',
      'missing',
      /sysctl -w kernel\.randomize_va_space=2/,
    ],
    [
      'that tells kernel addresses',
      { '/proc/sys/kernel/kptr_restrict': '0\n' },
      'sysctl:kernel.kptr_restrict',
      'warning',
      /kptr_restrict = 2.*sysctl\.d/,
    ],
    [
      'that pipes cores to a program',
      { '/proc/sys/kernel/core_pattern': '|/usr/lib/systemd/systemd-coredump %P\n' },
      'core-pattern',
      'warning',
      /RLIMIT_CORE/,
    ],
    [
      'where anybody makes user namespaces',
      { '/proc/sys/kernel/unprivileged_userns_clone': '1\n' },
      'userns',
      'warning',
      /unprivileged_userns_clone=0/,
    ],
    [
      'with a kernel that is known to let out',
      { '/proc/version': 'Linux version 6.1.75 (a@b)\n' },
      'kernel-escapes',
      'missing',
      /nvd\.nist\.gov/,
    ],
    [
      'with a kernel whose repairs nobody can tell',
      { '/proc/version': 'Linux version 5.15.0-101-generic (b@c) #111-Ubuntu SMP\n' },
      'kernel-escapes',
      'unknown',
      /distribution/,
    ],
    [
      'with an open flaw',
      { '/sys/devices/system/cpu/vulnerabilities/mds': 'Vulnerable: Clear CPU buffers attempted, no microcode; SMT vulnerable\n' },
      'cpu-flaws',
      'warning',
      /microcode/,
    ],
    [
      'whose threads leak',
      { '/sys/devices/system/cpu/vulnerabilities/mds': 'Mitigation: Clear CPU buffers; SMT vulnerable\n' },
      'smt',
      'warning',
      /nosmt/,
    ],
    ['with plain swap', { '/proc/swaps': 'Filename Type\n/swapfile file 1 0 -2\n' }, 'swap', 'warning', /swapoff \/swapfile/],
    [
      'whose host key everybody reads',
      { '/etc/ssh/ssh_host_ed25519_key': { text: 'key', mode: 0o644 } },
      'key-files',
      'missing',
      /chmod o= \/etc\/ssh\/ssh_host_ed25519_key/,
    ],
    [
      'with a user whose credentials everybody reads',
      { '/home/ann/.aws/credentials': { text: 'x', mode: 0o644 } },
      'key-files',
      'missing',
      /\/home\/ann\/\.aws\/credentials/,
    ],
    [
      'that serves on every address',
      { '/proc/net/tcp6': 'h\n 0: 00000000000000000000000000000000:0016 0:0 0A 0\n' },
      'listeners',
      'warning',
      /127\.0\.0\.1/,
    ],
    [
      'of a cloud, with a way to its metadata',
      { '/sys/class/dmi/id/sys_vendor': 'Amazon EC2\n', '/proc/net/route': 'h\neth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\n' },
      'metadata',
      'warning',
      /IMDSv2/,
    ],
    [
      'whose state directory others write to',
      { '/var/lib/sallyport/signer/key': { text: 'x', mode: 0o600 } },
      'state-directory',
      'missing',
      /chmod go= \/var\/lib\/sallyport\/signer/,
    ],
    [
      'whose operator’s file others write to',
      { '/etc/sallyport/config.yml': { text: '', mode: 0o666 } },
      'state-directory',
      'missing',
      /chmod go-w \/etc\/sallyport\/config\.yml/,
    ],
  ]

  for (const [which, files, id, state, fix] of spoilt) {
    test(`${which} is told so, with the fix`, () => {
      const findings = look(hostWith(files))
      const finding = only(findings, id)
      assert.equal(finding.state, state, finding.found)
      assert.match(finding.fix ?? '', fix)
      // Nothing else is said of it, but for flaws of the processor, which are two findings.
      assert.deepEqual(
        Object.keys(wrong(findings)).filter((each) => each !== id && !['smt', 'cpu-flaws'].includes(each)),
        [],
      )
    })
  }

  test('is not blamed for a file that nobody can reach', () => {
    const view = hostWith({ '/home/ann/.netrc': { text: 'x', mode: 0o644 } })
    chmodSync(join(rootOf(), '/home/ann'), 0o700)
    assert.equal(only(look(view), 'key-files').state, 'ok')
    chmodSync(join(rootOf(), '/home/ann'), 0o755)
    assert.equal(only(look(view), 'key-files').state, 'missing')
  })

  test('leads the check nowhere by a link in a home directory', () => {
    const view = hostWith({ '/etc/motd': { text: 'x', mode: 0o644 } })
    mkdirSync(join(rootOf(), '/home/ann/.kube'))
    symlinkSync('/etc/motd', join(rootOf(), '/home/ann/.kube/config'))
    assert.equal(only(look(view), 'key-files').state, 'ok')
  })

  test('with a docker.sock is told who is root by it, and that nobody else may be', async () => {
    const view = hostWith({ '/run/keep': '' })
    const path = join(rootOf(), '/run/docker.sock')
    const server = createServer()
    await new Promise<void>((listening) => server.listen(path, listening))
    try {
      chmodSync(path, 0o600)
      assert.equal(only(look(view), 'runtime-sockets').state, 'ok')
      chmodSync(path, 0o666)
      assert.deepEqual(
        [only(look(view), 'runtime-sockets').state, only(look(view), 'runtime-sockets').fix],
        ['missing', 'chmod o= /run/docker.sock'],
      )
      chmodSync(path, 0o660)
      const group = statSync(path).gid
      writeFileSync(join(rootOf(), '/etc/group'), `docker:x:${group}:ann\n`)
      const shared = only(look(view), 'runtime-sockets')
      // The group of the files that root makes is root's, which has nobody in it.
      assert.equal(shared.state, group === 0 ? 'ok' : 'warning')
    } finally {
      server.close()
    }
  })
})

describe('a runtime', () => {
  const stateOf = (name: string, version: string, files: Files = {}): HostFinding =>
    runtimeVersions(hostWith(files), [{ name, version }])[0] ?? assert.fail()
  const changelog = (text: string): Files => ({ '/usr/share/doc/runc/changelog.Debian.gz': gzipSync(text) })

  test('is judged by its version', () => {
    assert.equal(stateOf('runc', 'runc version 1.0.0-rc6').state, 'missing')
    assert.equal(stateOf('runc', 'runc version 1.1.11').state, 'missing')
    assert.equal(stateOf('runc', '1.1.12').state, 'warning')
    assert.equal(stateOf('runc', '1.2.7').state, 'warning')
    for (const fine of ['1.2.8', '1.3.3', '1.4.0-rc.3', '1.4.0', '2.0.0']) assert.equal(stateOf('runc', fine).state, 'ok', fine)
    assert.equal(stateOf('runc', '1.4.0-rc.2').state, 'warning')
    assert.equal(stateOf('crun', '1.8.1').state, 'ok')
    assert.equal(stateOf('kata', '3').state, 'unknown')
    assert.deepEqual(runtimeVersions(hostWith(), [{ name: 'crun', version: null }]), [])
  })

  test('of a distribution is judged by what its package says it repairs', () => {
    const repaired = 'runc (1.1.5+ds1-1+deb12u1) bookworm-security; urgency=high\n\n  * CVE-2024-21626: several container breakouts\n'
    assert.equal(stateOf('runc', '1.1.5+ds1').state, 'missing')
    const finding = stateOf('runc', '1.1.5+ds1', changelog(repaired))
    assert.equal(finding.state, 'warning')
    assert.match(finding.found, /CVE-2025-31133.*as far as the package's changelog tells/)
    assert.equal(finding.found.includes('CVE-2024-21626'), false)
    const all = `${repaired} CVE-2025-31133 CVE-2025-52565 CVE-2025-52881`
    assert.equal(stateOf('runc', '1.1.5+ds1', changelog(all)).state, 'ok')
    assert.equal(stateOf('runc', '1.1.5+ds1', { '/usr/share/doc/runc/changelog.Debian.gz': 'no gzip' }).state, 'missing')
    assert.equal(stateOf('runc', '1.1.5+ds1', changelog('x'.repeat(9 << 20))).state, 'missing')
  })
})

test('versions are in the order of their numbers, and a candidate is before its release', () => {
  const inOrder = ['1.0.0-rc6', '1.0.0-rc7', '1.0.0', '1.1.5+ds1', '1.1.12', '1.2.8', '1.4.0-rc.2', '1.4.0-rc.3', '1.4.0', '1.10.0']
  for (const [index, left] of inOrder.entries())
    for (const right of inOrder.slice(index + 1))
      assert.equal(compareVersions(left, right) < 0 && compareVersions(right, left) > 0, true, `${left} ${right}`)
})

describe('drift', () => {
  test('is what changed since the last check, and nothing is when nothing did', () => {
    const state = mkdtempSync(join(tmpdir(), 'sallyport-drift-'))
    roots.push(state)
    assert.equal(readBaseline(state), null)
    writeBaseline(state, look(hostWith()), new Date('2026-11-22T20:00:00Z'))
    assert.equal(statSync(join(state, 'doctor/host.json')).mode & 0o777, 0o600)
    const before = readBaseline(state) ?? assert.fail()
    assert.deepEqual(driftSince(before, look(hostWith())), { since: '2026-11-22T20:00:00.000Z', changes: [] })
    const drift = driftSince(
      before,
      look(hostWith({ '/proc/swaps': 'Filename Type\n/swapfile file 1 0 -2\n' }), [...RUNC, { name: 'crun', version: '1.8.1' }]),
    )
    assert.deepEqual(
      drift.changes.map(({ id, was, is }) => [id, was?.split(':')[0] ?? null, is?.split(':')[0] ?? null]),
      [
        ['swap', 'ok', 'warning'],
        ['runtime:crun', null, 'ok'],
      ],
    )
  })

  test('from what is no baseline is none', () => {
    const state = mkdtempSync(join(tmpdir(), 'sallyport-drift-'))
    roots.push(state)
    mkdirSync(join(state, 'doctor'))
    for (const text of ['', '{', '{"at":1}', '{"at":"x","findings":{"a":1}}', 'null']) {
      writeFileSync(join(state, 'doctor/host.json'), text)
      assert.equal(readBaseline(state), null, text)
    }
    assert.equal(readFileSync(join(state, 'doctor/host.json'), 'utf8'), 'null')
  })
})
