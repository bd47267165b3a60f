// SPDX-License-Identifier: Apache-2.0
// A process of its own for the fault tests of shipping: `DIRECTORY GENERATION`. It ships from `DIRECTORY/spool` into the log in `DIRECTORY/audit`.
import { say, workTraced } from './_file-thread.ts'
import { shipAll } from './_shipping-faults.ts'

const [directory = '', generation = ''] = process.argv.slice(2)

void workTraced(() => shipAll(directory, generation, say))
