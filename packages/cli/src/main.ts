// SPDX-License-Identifier: Apache-2.0
import { VERSION } from './version.ts'

// Asked by scripts and shells all the time, so that it loads nothing.
if (process.argv.length === 3 && process.argv[2] === '--version') process.stdout.write(`${VERSION}\n`)
else await (await import('./process.ts')).runProcess()
