// SPDX-License-Identifier: Apache-2.0
// Programs that get more rights than whoever starts them, as the image and its users bring them: set-user-id and file capabilities, wherever in the tree they lie;
// and what there is to see in /dev and /proc.
import assert from 'node:assert/strict'
import { chmodSync, copyFileSync, existsSync, mkdirSync } from 'node:fs'
import type { Sandbox } from '@sallyport/sandbox'
import { runScript, runStep, withSandbox } from '@sallyport/testkit'
import { behaviour, escape, type Finding, findingOf, inDisposableBox } from './_suite.ts'

await inDisposableBox()

/** Starts a program as an ordinary user, and says with whose rights it runs. */
const AS_SOMEBODY = `
import os, subprocess, sys, time
def ordinary():
    os.setgroups([]); os.setgid(1000); os.setuid(1000)
child = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=ordinary)
name = os.path.basename(sys.argv[1])[:15]
for attempt in range(500):
    lines = dict(line.split(":\\t", 1) for line in open(f"/proc/{child.pid}/status") if ":\\t" in line)
    if lines["Name"].strip() == name: break
    time.sleep(0.01)
print("name", lines["Name"].strip(), "euid", lines["Uid"].split()[1], "caps", int(lines.get("CapEff", "0"), 16))
child.kill()
`

async function rightsOf(sandbox: Sandbox, argv: readonly string[]): Promise<{ name: string; euid: number; caps: number; output: string }> {
  const { output } = await runStep(sandbox, { argv: ['python3', '-c', AS_SOMEBODY, ...argv] })
  const [, name = '', euid = '', caps = ''] = /^name (\S+) euid (\d+) caps (\d+)$/m.exec(output) ?? []
  return { name, euid: Number(euid), caps: Number(caps), output }
}

const PLACES = {
  'its disk': '/tmp',
  'its home directory': '/home/runner',
  'a layer': '/usr/local/bin',
  '/dev/shm': '/dev/shm',
  '/run': '/run',
} as const

for (const [place, directory] of Object.entries(PLACES)) {
  escape({
    never: `a set-user-id program that a step puts into ${place} makes an ordinary user root`,
    probe: async (sandbox) => {
      // The helper for sleeping is a program of the image, as anybody could copy it.
      const planted = await runScript(
        sandbox,
        `exec 2>&1; cp /bin/sleep ${directory}/planted && chmod 4755 ${directory}/planted && ls -l ${directory}/planted`,
      )
      assert.match(planted.output, /^-rws/)
      const { euid, name, output } = await rightsOf(sandbox, [`${directory}/planted`, '60'])
      return { ...findingOf(output, name === 'planted' && euid === 0), error: null }
    },
    error: null,
    without: [['no-new-privileges', 'nosuid-nodev']],
    rows: [1, 39],
  })
}

const OFFERED = '/var/lib/offered-programs'

/** Of the surroundings' root, in a directory that the job is shown. The file system is one where both count. */
function offerPrograms(): { readonly source: string; readonly target: string }[] {
  mkdirSync(OFFERED, { recursive: true })
  copyFileSync('/bin/sleep', `${OFFERED}/setuid`)
  chmodSync(`${OFFERED}/setuid`, 0o4755)
  return [{ source: OFFERED, target: '/opt/offered' }]
}

behaviour(
  { name: "set-user-id programs of the host's root, shown in a tree, run with the rights of whoever starts them", rows: [1, 39] },
  async () => {
    await withSandbox({ spec: { readOnlyBinds: offerPrograms() } }, async (sandbox) => {
      const { name, euid, output } = await rightsOf(sandbox, ['/opt/offered/setuid', '60'])
      assert.deepEqual([name, euid], ['setuid', 1000], output)
    })
  },
)

const REAL = ['/bin/su', '/usr/bin/newgrp', '/usr/bin/gpasswd', '/usr/bin/passwd', '/usr/bin/chsh'].filter((path) => existsSync(path))

behaviour({ name: 'su, passwd and their like of the image run as whoever starts them', rows: [1, 39] }, async () => {
  assert.equal(REAL.length > 0, true)
  await withSandbox({}, async (sandbox) => {
    for (const path of REAL) {
      const { name, euid, caps, output } = await rightsOf(sandbox, [path])
      // One that gave up at once, because it has no rights, is told by the name of the shell's child before it: never as root.
      assert.notEqual(euid, 0, `${path}: ${output}`)
      assert.equal(name === '' ? 0 : caps, 0, `${path}: ${output}`)
    }
  })
})

const refusedPrograms: readonly (readonly [string, string, RegExp])[] = [
  ['mount', 'mount -t tmpfs none /tmp', /permission denied|must be superuser|not permitted/i],
  ['umount', 'umount /proc', /permission denied|must be superuser|not permitted/i],
  ['newuidmap', 'newuidmap $$ 0 100000 1', /^$|not permitted|not allowed|permission denied|failed/i],
  ['setcap', 'cp /bin/sleep /tmp/c && setcap cap_net_raw+ep /tmp/c', /not permitted/i],
  ['ping', 'ping -c 1 -W 1 127.0.0.1', /not permitted|permission denied|lacking privilege|protocol not supported/i],
  ['unshare', 'unshare -Ur true', /not permitted/i],
  ['mknod', 'mknod /tmp/null c 1 3', /not permitted/i],
  ['chroot', 'chroot / true', /not permitted/i],
  ['dmesg', 'dmesg', /not permitted/i],
  ['ip', 'ip link add dummy0 type dummy', /not permitted/i],
]

behaviour({ name: 'programs that need rights of the host fail, and say so', rows: [1, 38, 39] }, async () => {
  await withSandbox({}, async (sandbox) => {
    for (const [name, command, refused] of refusedPrograms) {
      const { output, exit } = await runScript(
        sandbox,
        `exec 2>&1; command -v ${name} > /dev/null || { echo "there is no ${name}"; exit 99; }; ${command}`,
      )
      // An image need not have it; where it is, it fails.
      if (exit.code === 99) process.stdout.write(`# ${output}`)
      else assert.deepEqual([exit.code === 0, refused.test(output)], [false, true], `${name}: ${exit.code}: ${output}`)
    }
  })
})

behaviour(
  { name: 'in /dev are null, zero, full, random, urandom, tty, terminals and shared memory, and nothing else', rows: [34] },
  async () => {
    await withSandbox({}, async (sandbox) => {
      const { output } = await runScript(sandbox, 'cd /dev; for f in *; do stat -c "%F %n" "$f"; done | sort')
      assert.deepEqual(
        output
          .trim()
          .split('\n')
          .filter((line) => !/^symbolic link (fd|stdin|stdout|stderr|core)$/.test(line)),
        [
          ...['full', 'null', 'random', 'tty', 'urandom', 'zero'].map((name) => `character special file ${name}`),
          ...['mqueue', 'pts', 'shm'].map((name) => `directory ${name}`),
          'symbolic link ptmx',
        ],
      )
      const devices = await runScript(
        sandbox,
        'find / -xdev \\( -type b -o -type c \\) 2>/dev/null; find /home /tmp /var /usr /opt \\( -type b -o -type c \\) 2>/dev/null; true',
      )
      assert.equal(devices.output, '')
    })
  },
)

/** What kernels tell about themselves, their memory and their keys (Documentation/filesystems/proc.rst); a file that this kernel lacks tells nothing. */
const TELLING =
  '/proc/kallsyms /proc/kcore /proc/kmsg /proc/keys /proc/key-users /proc/timer_list /proc/sched_debug /proc/modules /proc/iomem /proc/ioports /proc/slabinfo /proc/vmallocinfo /proc/interrupts /proc/config.gz /proc/cmdline /proc/self/stack /proc/1/stack /proc/1/environ /proc/1/mem /proc/1/maps /proc/1/auxv /sys/kernel/debug /sys/kernel/tracing /sys/kernel/security /sys/firmware /sys/module /sys/kernel/notes /dev/kmsg /dev/mem /dev/kvm'

escape({
  never: 'a step reads a byte of what the kernel tells about itself',
  probe: async (sandbox): Promise<Finding> => {
    const script = `for f in ${TELLING}; do if [ -d $f ]; then ls -A $f; else head -c 64 $f | tr -d '\\0' | head -c 1 | sed "s|^|$f |"; fi; done 2>/dev/null`
    const { output } = await runScript(sandbox, script)
    return findingOf(output, output.trim() !== '')
  },
  error: null,
  without: [['masked-paths']],
  rows: [37],
})

behaviour({ name: 'of processes a step sees those of its job alone, and their ids begin with 1', rows: [37] }, async () => {
  await withSandbox({}, async (sandbox) => {
    const { output } = await runScript(
      sandbox,
      'cd /proc; for p in [0-9]*; do [ -d $p ] && tr "\\0" " " < $p/cmdline && echo; done; readlink /proc/1/exe || echo hidden; cat /proc/1/comm',
    )
    const lines = output.trim().split('\n')
    assert.equal(lines[0]?.includes('init'), true, output)
    assert.equal(lines.length < 8, true, output)
    assert.deepEqual(lines.slice(-2), ['hidden', 'helper'])
  })
})
