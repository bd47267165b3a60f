// SPDX-License-Identifier: Apache-2.0
import { setInFile } from './commands.mjs'

process.stdout.write(`tests run on Node ${process.version}\n`)
setInFile('GITHUB_STATE', 'startedAt', String(Date.now()))
