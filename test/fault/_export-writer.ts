// SPDX-License-Identifier: Apache-2.0
// A process of its own for the fault tests of exports: `DIRECTORY GENERATION`. It exports the log in `DIRECTORY/log` to a file beside it.
import { exportAll } from './_export-faults.ts'
import { say, workTraced } from './_file-thread.ts'

const [directory = ''] = process.argv.slice(2)

void workTraced(() => exportAll(directory, (next) => say({ type: 'exported', next })))
