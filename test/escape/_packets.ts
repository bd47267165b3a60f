// SPDX-License-Identifier: Apache-2.0
// Programs for the scripts of egress tests that write packets by hand, in Python.

/** `attack.py HOST PORT`: the first datagram of a QUIC handshake: a long header of version 1 (RFC 9000, 17.2.2), padded to 1,200 bytes. */
export const QUIC_INITIAL = `import os, socket, sys
head = bytes([0xc3]) + (1).to_bytes(4, 'big') + bytes([8]) + os.urandom(8) + bytes([0]) + bytes([0])
datagram = (head + (1200 - len(head) - 2 | 0x4000).to_bytes(2, 'big')).ljust(1200, b'x')
for family, kind, protocol, _, address in socket.getaddrinfo(sys.argv[1], int(sys.argv[2]), type=socket.SOCK_DGRAM):
    s = socket.socket(family, kind, protocol)
    s.connect(address)
    for attempt in range(3):
        s.send(datagram)
`

/** `attack.py ADDRESS PORT`: a UDP datagram in an Ethernet frame to everybody on the first link that is not loopback (RFC 791, RFC 768). */
export const FRAME_SENDER = `import socket, struct, sys
link = [name for _, name in socket.if_nameindex() if name in ('up0', 'eth0')][0]
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((link, 0x0800))
udp = struct.pack('>HHHH', 9999, int(sys.argv[2]), 12, 0) + b'loot'
head = lambda check: struct.pack('>BBHHHBBH', 0x45, 0, 20 + len(udp), 7, 0, 64, 17, check) + socket.inet_aton('20.10.255.2') + socket.inet_aton(sys.argv[1])
total = sum(struct.unpack('>10H', head(0)))
total = (total >> 16) + (total & 0xffff)
s.send(b'\\xff' * 6 + s.getsockname()[4] + b'\\x08\\0' + head(0xffff - total) + udp)
`
