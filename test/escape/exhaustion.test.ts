// SPDX-License-Identifier: Apache-2.0
// What a job takes beyond its limits, the others on the machine lack.
import { runScript } from '@sallyport/testkit'
import { escape, findingOf, inDisposableBox } from './_suite.ts'

await inDisposableBox()

const MIB = 1 << 20
const escapes = [
  ['a job has more processes than its limit', 'fork-bomb', 'EAGAIN', 'pids-limit', { ATTACK_PIDS: '200' }],
  ['a job has more memory than its limit', 'memory-bomb', 'ENOMEM', 'memory-limit', { ATTACK_MEMORY_BYTES: String(400 * MIB) }],
  ['a job fills more disk than its limit', 'disk-filler', 'ENOSPC', 'disk-limit', { ATTACK_DISK_BYTES: String(128 * MIB) }],
  ['a job makes more files than its limit', 'inode-filler', 'ENOSPC', 'inode-limit', { ATTACK_INODES: '20000' }],
  ['a process has more open files than its limit', 'fd-exhaustion', 'EMFILE', 'open-files-limit', { ATTACK_DESCRIPTORS: '4096' }],
] as const

// Processes that have ended count until somebody asks how (packages/sandbox/src/cgroup.ts).
escape({
  never: 'a job has more ended processes that nobody asked about than its limit',
  probe: async (sandbox) => {
    const flood = 'import os\nfor n in range(200):\n    if os.fork() == 0: os._exit(0)\nprint("all of them")\n'
    const { output } = await runScript(sandbox, `python3 -c '${flood}'`)
    return { ...findingOf(output, output.includes('all of them')), error: null }
  },
  error: null,
  without: [['pids-limit']],
  rows: [46],
})

for (const [never, probe, error, wall, env] of escapes) escape({ never, probe, error, without: [[wall]], rows: [46], env })

escape({
  never: 'a job puts more into /dev/shm than its memory holds',
  probe: async (sandbox) => {
    const { output } = await runScript(sandbox, 'head -c 400M /dev/zero > /dev/shm/x; stat -c %s /dev/shm/x; rm -f /dev/shm/x')
    return { ...findingOf(output, output.includes(String(400 * MIB))), error: null }
  },
  error: null,
  without: [['memory-limit']],
  rows: [46],
})

escape({
  never: 'a job has more processor time than its limit',
  probe: async (sandbox) => {
    const burn = 'for i in 1 2; do (timeout 3 sh -c "while :; do :; done") & done; wait; times > /tmp/times; tail -1 /tmp/times'
    const { output } = await runScript(sandbox, burn)
    const [user = 0, system = 0] = [...output.matchAll(/(\d+)m([\d.]+)s/g)].map((match) => Number(match[1]) * 60 + Number(match[2]))
    return { ...findingOf(output, user + system > 0.4), error: null }
  },
  error: null,
  without: [['cpu-limit']],
  spec: {
    limits: {
      cpu: 0.05,
      memoryBytes: 256 * MIB,
      memorySwapBytes: 256 * MIB,
      pids: 64,
      diskBytes: 64 * MIB,
      diskInodes: 4096,
      openFiles: 512,
    },
  },
  rows: [46],
})

escape({
  never: 'a crash leaves a core file with the secrets of its process',
  probe: async (sandbox) => {
    const { output } = await runScript(
      sandbox,
      "ulimit -c unlimited; mkdir -p /tmp/crash; cd /tmp/crash; sh -c 'kill -SEGV $$'; ls | grep core; ulimit -Hc",
    )
    return findingOf(output, output.includes('core'))
  },
  error: 'EPERM',
  without: [['no-core-dumps']],
  rows: [1],
})
