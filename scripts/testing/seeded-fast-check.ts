// SPDX-License-Identifier: Apache-2.0
// Property tests draw the same cases in each run, so that a failure is of the change and not of the day. `make soak` draws others
// (test/soak/properties.soak.ts); SALLYPORT_TEST_SEED repeats them.
import fc from 'fast-check'

const SEED = 20_261_130
const wanted = process.env['SALLYPORT_TEST_SEED']
const seed = wanted === undefined ? SEED : Number(wanted)
if (!Number.isSafeInteger(seed)) throw new TypeError(`SALLYPORT_TEST_SEED has to be an integer, and is "${wanted}"`)
fc.configureGlobal({ ...fc.readConfigureGlobal(), seed })

export default fc
