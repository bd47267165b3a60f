// SPDX-License-Identifier: Apache-2.0
// What `pre` and `main` kept as state arrives here.
const { STATE_startedAt: startedAt, STATE_total: total } = process.env
if (startedAt === undefined || total === undefined) {
  process.stdout.write('::warning::the tests did not come to their end\n')
} else {
  process.stdout.write(`${total} tests, ${Date.now() - Number(startedAt)} ms from the first step of this action to its last\n`)
}
