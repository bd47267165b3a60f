// SPDX-License-Identifier: Apache-2.0
import { ORIGINS } from '../_internet/addresses.ts'
import type { Arrival } from '../_internet/internet.ts'
import { bypass } from './_bypass.ts'

const reachedWeb =
  (port: number) =>
  (arrival: Arrival): boolean =>
    arrival.kind === 'tcp' && arrival['address'] === ORIGINS.web && arrival['port'] === port

bypass({
  never: 'another server name goes through the door of an allowed host',
  rows: [31],
  script: 'curl -sS -m 5 --connect-to other.test:443:web.test:443 https://other.test/title',
  through: (arrival) => arrival['sni'] === 'other.test',
  refusal: 'server-name',
})
bypass({
  never: 'TLS without a server name goes through',
  rows: [31],
  script: `printf 'GET /title?nameless HTTP/1.0\\r\\n\\r\\n' | timeout 5 openssl s_client -quiet -noservername -connect web.test:443`,
  through: (arrival) => arrival['uri'] === '/title?nameless',
  refusal: 'server-name',
})
bypass({
  never: 'clear text goes through a door for TLS',
  rows: [31, 33],
  script: `exec 3<>/dev/tcp/web.test/443 && printf 'GET /clear HTTP/1.0\\r\\n\\r\\n' >&3 && cat <&3`,
  through: (arrival) => arrival.kind === 'http' && arrival['status'] === '400' && arrival['port'] === '443',
  refusal: 'protocol',
})
bypass({
  never: 'whatever is no SSH goes through a door for SSH',
  rows: [33, 45],
  allow: ['web.test:22'],
  script: 'exec 3<>/dev/tcp/web.test/22 && id >&3 && cat <&3',
  through: reachedWeb(22),
  refusal: 'protocol',
})
bypass({
  never: 'whatever is no HTTP goes through a door for HTTP',
  rows: [33, 45],
  rules: '  - { host: web.test, port: 7777, protocol: http }',
  script: `exec 3<>/dev/tcp/web.test/7777 && id >&3 && cat <&3; exec 4<>/dev/tcp/web.test/7777 && printf 'PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n' >&4 && cat <&4
openssl s_client -quiet -connect web.test:7777 -servername web.test < /dev/null`,
  through: reachedWeb(7777),
  refusal: 'protocol',
})
