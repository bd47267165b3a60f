// SPDX-License-Identifier: Apache-2.0
// The addresses of the internet that tests make. They look public, because the gate refuses all others; nobody but the origins' namespace has them.

export const ORIGINS = {
  /** nginx: every honest name under `.test`. */
  web: '20.10.0.10',
  /** nginx: names of the attacker. */
  evil: '20.10.0.66',
  /** sshd. */
  ssh: '20.10.0.22',
  /** An authoritative name server for everything under `.test`. */
  dns: '20.10.0.53',
  /** Counts what comes by UDP. */
  udp: '20.10.0.123',
  /** A public resolver, as malware would ask it. */
  publicDns: '20.10.0.88',
  /** The metadata service of every cloud, planted. */
  metadata: '169.254.169.254',
  /** A service of the private network, planted. */
  intranet: '10.20.0.5',
} as const

/** The same by IPv6. The last two stand for the metadata service in the notations of NAT64 and 6to4. */
export const ORIGINS6 = {
  web: '2600:10::10',
  evil: '2600:10::66',
  nat64: '64:ff9b::a9fe:a9fe',
  sixToFour: '2002:a9fe:a9fe::1',
} as const

/** The end of the link on which Sallyport and its gates are. */
export const HOST_ADDRESS = '20.10.255.2'
export const HOST_GATEWAY = '20.10.255.1'
export const HOST_ADDRESS6 = '2600:10:ffff::2'
export const HOST_GATEWAY6 = '2600:10:ffff::1'
/** A service of that machine itself, on all its addresses. */
export const HOST_SERVICE_PORT = 8080

/** At `ORIGINS.udp`: sends back what comes, and logs nothing. */
export const FENCE_PORT = 9
