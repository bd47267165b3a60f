// SPDX-License-Identifier: Apache-2.0
// What a process that an earlier step left behind can do to a later step.

import type { Sandbox } from '@sallyport/sandbox'
import { PLANTED_SECRET, runScript, type StepRun } from '@sallyport/testkit'

/** Where the leftover writes what it took. */
const LOOT = '/tmp/loot'
/** Made after the first try. */
const TRIED = '/tmp/tried'
const LATER = `echo from-the-step >> /run/sallyport/step/env; /tmp/later 0.5; code=$?; i=0
  while [ $code -eq 0 ] && [ ! -e ${TRIED} ] && [ $i -lt 100 ]; do i=$((i+1)); /tmp/later 0.5; code=$?; done; echo "later ended with $code"`

export interface LeftoverRun {
  /** What the leftover printed. */
  readonly loot: string
  readonly later: StepRun
}

/**
 * One step starts a process that outlives it and does `action` (shell, `$p` is the later step's directory in /proc, `$pid` its number)
 * again and again until it works; then another step runs for 0.5 s, with a secret in its environment and in a private file, and on a machine that is busy
 * until the action was tried on it.
 */
export async function leftoverAgainst(sandbox: Sandbox, action: string): Promise<LeftoverRun> {
  const watch = `i=0; while [ $i -lt 3000 ] && [ ! -e /tmp/stop ]; do i=$((i+1)); for p in /proc/[0-9]*; do
      read -r comm 2>/dev/null < $p/comm || continue; [ "$comm" = later ] || continue; pid=\${p#/proc/}; ${action}; : > ${TRIED}; done; sleep 0.01; done`
  await runScript(sandbox, `cp /bin/sleep /tmp/later; setsid sh -c '${watch}' < /dev/null > ${LOOT} 2>&1 & sleep 0.05`)
  const later = await runScript(sandbox, LATER, {
    env: { LATER_TOKEN: PLANTED_SECRET },
    files: [
      { name: 'secret', content: Buffer.from(PLANTED_SECRET), mode: 0o600 },
      { name: 'env', content: Buffer.alloc(0), mode: 0o644 },
    ],
    collect: ['env'],
  })
  const { output } = await runScript(sandbox, `touch /tmp/stop; head -c 4000 ${LOOT}`)
  return { loot: output, later }
}
