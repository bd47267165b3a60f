// SPDX-License-Identifier: Apache-2.0
// CVE-2016-9962, and what CVE-2019-5736 begins with: a process in the sandbox gets hold of one that is just entering it, and through
// it of the host's files.
import type { Sandbox } from '@sallyport/sandbox'
import { runScript, runStep } from '@sallyport/testkit'
import { escape, type Finding, inDisposableBox } from './_suite.ts'

await inDisposableBox()

const STARTS = 40

/**
 * Uses nothing but the shell's own commands: a process of its own would be somebody new. What remains of an ended process may be opened, and is
 * empty. `helper` is a step before its execve, and still was when the file had been opened.
 */
const WATCH = `still() { read -r now < $p/comm && [ "$now" = "$raw" ]; }
  while [ ! -e /tmp/stop ]; do for p in /proc/[0-9]*; do
    read -r raw < $p/comm || continue
    case $raw in sallyport-helpe|helper-*) comm=helper;; true|runc*|exe|node) comm=$raw;; *) continue;; esac
    echo "saw $comm"
    read -r line < $p/maps && still && echo "GOT maps of $comm"
    for f in mem environ fd/0 fd/3 exe; do { true < $p/$f; } && still && echo "GOT $f of $comm"; done
    for d in root cwd; do cd $p/$d && { still && echo "GOT $d of $comm"; cd /; }; done
  done; done`

async function watchEntries(sandbox: Sandbox, of: string): Promise<Finding> {
  await runScript(sandbox, `setsid sh -c '${WATCH}' < /dev/null 2> /dev/null > /tmp/loot & sleep 0.1`)
  for (let i = 0; i < STARTS; i += 1) await runStep(sandbox, { argv: ['/bin/true'] })
  const { output } = await runScript(sandbox, 'touch /tmp/stop; sort /tmp/loot | uniq -c | sort -rn | head -30')
  // A watcher that saw nobody proves nothing.
  if (!output.includes(`saw ${of}`)) throw new Error(`the watcher saw no such process: ${output}`)
  if (/saw (runc|exe|node)/.test(output)) return { outcome: 'got', error: null, detail: `a process of the runtime: ${output}` }
  return { outcome: new RegExp(`GOT \\S+ of ${of}`).test(output) ? 'got' : 'refused', error: null, detail: output }
}

escape({
  never: 'a process in the sandbox opens anything of a step that has just begun',
  probe: (sandbox) => watchEntries(sandbox, 'true'),
  error: null,
  without: [['step-domain']],
  rows: [35, 36],
})
escape({
  never: 'a process in the sandbox opens anything of our helper, while it enters to become a step',
  probe: (sandbox) => watchEntries(sandbox, 'helper'),
  error: null,
  without: [['step-domain', 'undumpable-entry']],
  rows: [35, 36],
})
