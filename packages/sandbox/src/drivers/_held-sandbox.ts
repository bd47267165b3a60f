// SPDX-License-Identifier: Apache-2.0
// A supervisor to be killed: a sandbox with a gate, the gate's process id on stdout, and then nothing.
import { setTimeout as sleep } from 'node:timers/promises'
import { EchoGate, gateSpec } from '../_with-gate.ts'
import { createDriver } from './registry.ts'

const gate = new EchoGate()
await using _ = await createDriver('runc', process.argv[2] ?? '').prepare(gateSpec(gate.launch), AbortSignal.timeout(30_000))
process.stdout.write(`${await gate.ask('pid')}\n`)
await sleep(60_000)
