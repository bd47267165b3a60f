// SPDX-License-Identifier: Apache-2.0
// bench/_witnesses.ts DIRECTORY VERIFIER_KEY: three witnesses of the log with that key. Prints a policy that wants two of them, and ends with its input.
import { join } from 'node:path'
import { parseVerifierKey } from '@sallyport/audit-log'
import { HttpServer } from '@sallyport/http'
import { Witness, witnessHandler } from '@sallyport/witness'

const [directory = '', verifierKey = ''] = process.argv.slice(2)

async function start(name: string): Promise<string> {
  const logs = [parseVerifierKey(verifierKey)]
  const witness = await Witness.open({ directory: join(directory, name), name: `${name}.bench.test`, logs, onFork: () => undefined })
  const handle = witnessHandler(witness)
  const fail = (error: unknown): never => {
    throw error
  }
  const server = await HttpServer.start({ address: '127.0.0.1', port: 0, handle, onFailure: fail })
  return `witness ${name} ${witness.verifierKey} ${server.url}\n`
}

const names = ['w1', 'w2', 'w3']
const lines = await Promise.all(names.map(start))
process.stdout.write(`log ${verifierKey}\n${lines.join('')}group all 2 ${names.join(' ')}\nquorum all\n`)
process.stdin.resume().once('end', () => process.exit())
