// SPDX-License-Identifier: Apache-2.0
// The whole command line with the fake agent, on the real streams and signals: for tests of the terminal and by hand.
import { createFakeAgent, NO_DOORS } from './_fake-agent.ts'
import { runProcess } from './process.ts'

const pace = Number(process.env['FAKE_PACE'] ?? 1)
const flood = Number(process.env['FAKE_FLOOD_MIB'] ?? 0)

/** `exec` prints that much without a newline, or until it is killed. */
const exec = createFakeAgent({
  exec: async ({ interrupt }, observer) => {
    const chunk = Buffer.alloc(2 ** 16, 'x')
    for (let index = 0; index < flood * 16 && !interrupt.hard.aborted; index += 1) {
      observer.output('exec', '1', chunk)
      if (index % 16 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    process.stderr.write(`peak ${Math.round(process.resourceUsage().maxRSS / 1024)} MiB, killed ${interrupt.hard.aborted}\n`)
    return {
      id: 'r',
      exitCode: 0,
      error: null,
      kept: 0,
      dropped: 0,
      sourceChanges: [],
      refusals: [],
      weaker: [],
      doors: NO_DOORS,
      durationMs: 1,
      log: null,
    }
  },
  run: async (options, observer) => {
    if (flood === 0) return createFakeAgent({}, pace).run(options, observer)
    const chunk = Buffer.alloc(2 ** 16, 'x')
    for (let index = 0; index < flood * 16; index += 1) {
      observer.output('build', '1', chunk)
      if (index % 16 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    process.stderr.write(`peak ${Math.round(process.resourceUsage().maxRSS / 1024)} MiB\n`)
    return createFakeAgent({}, 0).run(options, { event: () => undefined, output: () => undefined })
  },
})

await runProcess(async () => exec)
