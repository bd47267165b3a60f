// SPDX-License-Identifier: Apache-2.0

/**
 * The addresses of one job's namespace pair. Every job has the same ones: no two pairs are ever joined. They lie in 198.18.0.0/15, which
 * RFC 2544 sets aside for closed test networks and which no host on the internet has.
 */
export const JOB_NETWORK = {
  /** The gate's end of the link, and the job's resolver (UDP and TCP port 53). */
  gateAddress: '198.18.0.1',
  /** The job's end of the link. */
  jobAddress: '198.18.0.2',
  /**
   * What arrives at the gate from step number N (1 to 65,279) comes from 198.18.(1 + N / 256).(N % 256): the kernel rewrites the source by the
   * cgroup that owns the socket, which a job can neither choose nor change.
   */
  stepSources: '198.18.1.0/16',
  /** A name that a step may ask for is one of these addresses, for that step alone. */
  nameNetwork: '198.19.0.0/16',
  /** The addresses of names with a UDP rule: 198.19.255.(1 + index). */
  relayNetwork: '198.19.255.0/24',
  /** Relays for UDP that a gate can have at a time. */
  relaysMax: 8,
  /** UDP ports of the relays' sockets, at the gate's address. */
  relayPort: 20_000,
  /** Where all TCP of the job arrives, with its destination kept (TPROXY). */
  tcpPort: 7000,
  /** Where a step that may ask for identity tokens asks for them, in clear: the gate answers it itself. */
  tokenHost: 'token.sallyport.internal',
  tokenPort: 80,
} as const

export function stepSource(number: number): string {
  if (!Number.isInteger(number) || number < 1 || number > 65_279) throw new TypeError(`no step number: ${number}`)
  return `198.18.${1 + (number >> 8)}.${number & 255}`
}

export function relayAddress(index: number): string {
  if (!Number.isInteger(index) || index < 0 || index >= JOB_NETWORK.relaysMax) throw new TypeError(`no relay index: ${index}`)
  return `198.19.255.${1 + index}`
}
