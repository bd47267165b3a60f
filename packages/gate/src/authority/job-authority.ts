// SPDX-License-Identifier: Apache-2.0
import { generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto'
import { createSecureContext, type SecureContext } from 'node:tls'
import type { NamePattern } from '@sallyport/access'
import { authorityCertificate, type Issuer, serverCertificate, type Validity } from './certificate.ts'

/**
 * The certificate authority of one job: it lives and dies with the gate process, only this job's sandbox trusts it, and it can speak only for the names whose TLS
 * a rule lets the gate terminate. Its key is never exported and never written.
 */
export interface JobAuthority {
  /** PEM: what the sandbox is to trust. */
  readonly certificate: string
  /**
   * For a server of that name.
   * @throws RangeError for a name that is not to be terminated: no certificate is ever made for it.
   */
  certificateFor(name: string): ServerCertificate
}

export interface ServerCertificate {
  /** PEM. */
  readonly certificate: string
  readonly context: SecureContext
}

/** An hour more than the longest time limit (docs/limits.md), and an end: what still trusts a job's authority then, trusts nobody. */
const LIFETIME_MS = (7 * 24 + 1) * 3_600_000
/** Clocks inside and outside of a sandbox are the same one, but not those of every microVM. */
const BACKDATED_MS = 5 * 60_000
/** Names of a suffix rule are chosen by the job. A context takes about 30 KiB and is made again in under a millisecond. */
const CONTEXTS_MAX = 256

export async function createJobAuthority(
  terminates: readonly NamePattern[],
  now: Date,
  lifetimeMs: number = LIFETIME_MS,
): Promise<JobAuthority> {
  return new InMemoryAuthority(terminates, { from: new Date(now.getTime() - BACKDATED_MS), to: new Date(now.getTime() + lifetimeMs) })
}

class InMemoryAuthority implements JobAuthority {
  readonly certificate: string
  readonly #terminates: readonly NamePattern[]
  readonly #validity: Validity
  readonly #issuer: Issuer
  /** One for all names: the job is the only one who ever sees it used. */
  readonly #serverKey: { readonly publicKey: KeyObject; readonly pem: string }
  /** Least recently used first. */
  readonly #served: Map<string, ServerCertificate> = new Map()

  constructor(terminates: readonly NamePattern[], validity: Validity) {
    const own = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const server = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    this.#terminates = terminates
    this.#validity = validity
    this.#issuer = { name: `Sallyport job authority ${randomBytes(6).toString('hex')}`, key: own.privateKey, publicKey: own.publicKey }
    this.#serverKey = { publicKey: server.publicKey, pem: server.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() }
    const names = terminates.map((pattern) => pattern.name)
    this.certificate = authorityCertificate(this.#issuer, [...new Set(names)], validity)
  }

  certificateFor(name: string): ServerCertificate {
    if (!this.#terminates.some((pattern) => covers(pattern, name))) throw new RangeError('no rule terminates TLS of this name')
    const served = this.#served.get(name) ?? this.#make(name)
    this.#served.delete(name)
    this.#served.set(name, served)
    const [oldest] = this.#served.keys()
    if (this.#served.size > CONTEXTS_MAX && oldest !== undefined) this.#served.delete(oldest)
    return served
  }

  #make(name: string): ServerCertificate {
    const certificate = serverCertificate(this.#issuer, name, this.#serverKey.publicKey, this.#validity)
    return { certificate, context: createSecureContext({ cert: certificate, key: this.#serverKey.pem, minVersion: 'TLSv1.2' }) }
  }
}

function covers(pattern: NamePattern, name: string): boolean {
  return pattern.kind === 'exact' ? name === pattern.name : name.endsWith(`.${pattern.name}`)
}
