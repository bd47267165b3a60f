// SPDX-License-Identifier: Apache-2.0
// What a job takes within its limits leaves the job beside it able to work: it gets its rounds done while the attack goes on. That it needs the limits is shown by
// exhaustion.test.ts; here each attack begins again as soon as it has ended, until the neighbour is done.
import assert from 'node:assert/strict'
import type { Sandbox } from '@sallyport/sandbox'
import { runScript, runStep, type StepRun, withSandbox } from '@sallyport/testkit'
import { behaviour, inDisposableBox } from './_suite.ts'

await inDisposableBox()

const MIB = 1 << 20
const ROUNDS = 60

/** What a build does all the time: starts a program, writes, reads back. Says how long the worst round took, for whoever reads the log of the test. */
const WORK = `
import os, subprocess, time
worst = 0
for n in range(${ROUNDS}):
    begun = time.monotonic()
    subprocess.run(["/bin/true"], check=True)
    with open("/tmp/round", "w") as file:
        file.write(str(n) * 1000)
    assert open("/tmp/round").read() == str(n) * 1000
    worst = max(worst, time.monotonic() - begun)
print("rounds ${ROUNDS} worst", round(worst * 1000), "ms")
`

interface Attack {
  readonly name: string
  /** An attack program, or a script; the limit that it has to meet. */
  readonly argv: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly limit: string | null
}

const program = (id: string, name: string, limit: string | null, env: Readonly<Record<string, string>> = {}): Attack => ({
  name,
  argv: ['/tmp/attack', id],
  env,
  limit,
})
const script = (name: string, limit: string | null, text: string): Attack => ({ name, argv: ['/bin/sh', '-c', text], limit })

const attacks: readonly Attack[] = [
  program('fork-bomb', 'a fork bomb', 'pids', { ATTACK_PIDS: '4000' }),
  program('memory-bomb', 'a memory bomb', 'memory', { ATTACK_MEMORY_BYTES: String(2048 * MIB) }),
  script('a disk filler', 'disk', 'head -c 1G /dev/zero > /tmp/full; rc=$?; sleep 0.6; rm /tmp/full; exit $rc'),
  script(
    'an inode filler',
    'inodes',
    'mkdir /tmp/many; cd /tmp/many; seq 20000 | xargs touch 2>/dev/null; rc=$?; sleep 0.6; cd /; rm -r /tmp/many; exit $rc',
  ),
  script('a filler of /dev/shm', 'memory', 'head -c 1G /dev/zero > /dev/shm/full; rc=$?; rm -f /dev/shm/full; exit $rc'),
  script('a log flood', null, 'yes | head -c 200M'),
  script('a zombie flood', 'pids', "python3 -c 'import os, time\nfor _ in range(4000):\n    if os.fork() == 0: os._exit(0)\n'"),
  script('a CPU hog', null, 'for i in 1 2 3 4 5 6 7 8; do timeout 3 sh -c "while :; do :; done" & done; wait; exit 1'),
  program('fd-exhaustion', 'a process that opens all it may', null, { ATTACK_DESCRIPTORS: '20000' }),
]

for (const attack of attacks) {
  behaviour({ name: `a job beside ${attack.name} gets its work done meanwhile`, rows: [46] }, async () => {
    await withSandbox({}, async (attacker) => {
      await withSandbox({}, async (neighbour) => {
        const { ends, work } = await besides(attacker, neighbour, attack)
        assert.equal(work.exit.code, 0, work.output)
        assert.match(work.output, new RegExp(`^rounds ${ROUNDS} worst \\d+ ms\\n$`))
        assert.equal(work.exit.limitHit, null)
        // The test runner keeps the output of a passed test: the figure is for people, no condition.
        process.stdout.write(`# beside ${attack.name} (${ends.length} times): ${work.output}`)
        assert.equal(ends.length > 0, true)
        if (attack.limit !== null)
          assert.equal(
            ends.some(({ exit }) => exit.limitHit === attack.limit),
            true,
            JSON.stringify(ends.map(({ exit }) => exit)),
          )
        // What is left in /dev/shm may leave no memory for one more process (docs/isolation.md).
        if (!attack.name.includes('/dev/shm')) assert.equal((await runScript(attacker, 'echo still')).output, 'still\n')
      })
    })
  })
}

/** Both end when the neighbour has done its rounds, and the attack that it met last is over. */
async function besides(attacker: Sandbox, neighbour: Sandbox, { argv, env }: Attack): Promise<{ ends: StepRun[]; work: StepRun }> {
  const ends: StepRun[] = []
  let isDone = false
  const attacking = (async () => {
    do ends.push(await runStep(attacker, { argv, ...(env === undefined ? {} : { env }) }))
    while (!isDone)
  })()
  const work = await runStep(neighbour, { argv: ['python3', '-c', WORK] }).finally(() => {
    isDone = true
  })
  await attacking
  return { ends, work }
}

const ROOM = {
  cpu: 1,
  memoryBytes: 1024 * MIB,
  memorySwapBytes: 1024 * MIB,
  pids: 64,
  diskBytes: 1024 * MIB,
  diskInodes: 160_000,
  openFiles: 512,
}

behaviour(
  { name: 'a tree of a hundred thousand levels holds up neither the listing, nor the next step, nor the end of the job', rows: [46, 50] },
  async () => {
    await withSandbox({ spec: { limits: ROOM } }, async (sandbox) => {
      const dig = 'import os\nos.chdir("/tmp")\nfor n in range(100000):\n    os.mkdir("d")\n    os.chdir("d")\nprint("dug")\n'
      assert.equal((await runStep(sandbox, { argv: ['python3', '-c', dig] })).output, 'dug\n')
      const entries = await sandbox.listFiles('/tmp', 10_000)
      // Not entered any deeper (native/src/list.c): told as something else than a directory.
      assert.equal(entries.length < 400, true, String(entries.length))
      assert.deepEqual(
        entries.filter(({ type }) => type === 'other').map(({ path }) => path.split('/').length),
        [257],
      )
      assert.equal((await runScript(sandbox, 'echo next')).output, 'next\n')
    })
  },
)

behaviour({ name: 'a hundred thousand files are listed, and more than were asked for are refused', rows: [46, 50] }, async () => {
  await withSandbox({ spec: { limits: ROOM } }, async (sandbox) => {
    const fill = 'import os\nos.mkdir("/tmp/many")\nfor n in range(100000):\n    os.close(os.open("/tmp/many/%0200d" % n, os.O_CREAT))\n'
    assert.equal((await runStep(sandbox, { argv: ['python3', '-c', fill] })).exit.code, 0)
    assert.equal((await sandbox.listFiles('/tmp/many', 1_000_000)).length, 100_000)
    await assert.rejects(sandbox.listFiles('/tmp/many', 1000), { name: 'SandboxError' })
    assert.equal((await runScript(sandbox, 'echo next')).output, 'next\n')
  })
})
