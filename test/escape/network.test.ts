// SPDX-License-Identifier: Apache-2.0
import { escape, inDisposableBox } from './_suite.ts'

await inDisposableBox()

const rows = [30, 45]
escape({
  never: 'a step reaches an address by its number',
  probe: 'connect-ip-literal',
  error: 'ENETUNREACH',
  without: [['network']],
  rows: [...rows, 18, 46],
})
escape({ never: 'a step asks a name server', probe: 'dns-udp', error: 'ENETUNREACH', without: [['network']], rows: [28, 29, ...rows] })
escape({
  never: "a step reaches the cloud's metadata address",
  probe: 'metadata-address',
  error: 'ENETUNREACH',
  without: [['network']],
  rows,
})
escape({
  never: 'a step reaches an abstract socket of the host',
  probe: 'abstract-unix-socket',
  error: 'ECONNREFUSED',
  without: [['network']],
  rows: [34],
})
