// SPDX-License-Identifier: Apache-2.0
import { writeSync } from 'node:fs'
import { ExitCode } from '@sallyport/core'
import { VERSION } from './version.ts'

process.once('uncaughtException', endAtOnce)

// Asked by scripts and shells all the time, so that it loads nothing.
if (process.argv.length === 3 && process.argv[2] === '--version') process.stdout.write(`${VERSION}\n`)
else void import('./process.ts').then(({ runProcess }) => runProcess())

/**
 * A fault that no command foresaw, also in a rejected promise. Nothing can be trusted to clean up any more:
 * sandboxes end by themselves when this process does. Node's own exit code would say that a job failed.
 */
function endAtOnce(error: Error): void {
  try {
    writeSync(
      2,
      `sallyport: error[INTERNAL]: ${error.stack ?? error.message}\n  This is a fault of Sallyport; please report it with these lines\n`,
    )
  } finally {
    process.exit(process.argv[2] === 'exec' ? ExitCode.execRefused : ExitCode.internal)
  }
}
