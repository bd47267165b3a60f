// SPDX-License-Identifier: Apache-2.0
import { readFile, realpath } from 'node:fs/promises'
import { posix } from 'node:path'
import { type PutEntry, SANDBOX_PATHS, type Sandbox } from '@sallyport/sandbox'
import { certificatesOf, javaTruststore, TRUSTSTORE_PASSWORD } from './java-truststore.ts'

/** Where the variables below point: the home directory is writable whatever becomes of the root file system. */
const DIRECTORY = `${SANDBOX_PATHS.home}/.sallyport`
const AUTHORITY = `${DIRECTORY}/authority.pem`
const BUNDLE = `${DIRECTORY}/ca-bundle.pem`
const TRUSTSTORE = `${DIRECTORY}/truststore.jks`

/** From here `update-ca-certificates` takes it again, when a job runs that. */
const DEBIAN_SOURCE = '/usr/local/share/ca-certificates/sallyport.crt'

/** The system's bundle on Debian, Fedora, openSUSE and Alpine; the host's is the image's. */
const SYSTEM_BUNDLES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
]

/** The truststore of the system's JDKs on Debian (also of Temurin's packages) and Fedora. A workflow may have its own options in the variable below. */
const JAVA_TRUSTSTORES = ['/etc/ssl/certs/java/cacerts', '/etc/pki/ca-trust/extracted/java/cacerts']

/** Tools that know the system's bundle (apt, wget, git by GnuTLS) need none of these; the others bring their own roots, or let a variable replace them. */
const ENVIRONMENT: Readonly<Record<string, string>> = {
  // Added to the roots that the program brings.
  NODE_EXTRA_CA_CERTS: AUTHORITY,
  DENO_CERT: AUTHORITY,
  // In place of them.
  SSL_CERT_FILE: BUNDLE,
  CURL_CA_BUNDLE: BUNDLE,
  GIT_SSL_CAINFO: BUNDLE,
  REQUESTS_CA_BUNDLE: BUNDLE,
  PIP_CERT: BUNDLE,
  npm_config_cafile: BUNDLE,
  YARN_HTTPS_CA_FILE_PATH: BUNDLE,
  AWS_CA_BUNDLE: BUNDLE,
  CARGO_HTTP_CAINFO: BUNDLE,
  NIX_SSL_CERT_FILE: BUNDLE,
  GRPC_DEFAULT_SSL_ROOTS_FILE_PATH: BUNDLE,
  CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE: BUNDLE,
  JAVA_TOOL_OPTIONS: [
    `-Djavax.net.ssl.trustStore=${TRUSTSTORE}`,
    `-Djavax.net.ssl.trustStorePassword=${TRUSTSTORE_PASSWORD}`,
    '-Djavax.net.ssl.trustStoreType=JKS',
  ].join(' '),
}

/**
 * Makes what runs in the sandbox trust the job's own authority (`authority`: PEM, of the gate). Before the first step. Returns variables
 * for every step, under those that the workflow sets. Whoever changes the files afterwards is the job, and breaks only its own TLS.
 *
 * @throws SandboxError when they cannot be written.
 */
export async function putTrust(sandbox: Sandbox, authority: string): Promise<Readonly<Record<string, string>>> {
  const system = await readSystemBundle()
  const bundle = Buffer.from(`${system.text}\n${authority}\n`)
  const truststore = javaTruststore(certificatesOf(bundle.toString('latin1')))
  await sandbox.putFiles('/', [
    { type: 'directory', path: relative(DIRECTORY), mode: 0o755 },
    file(AUTHORITY, Buffer.from(authority)),
    file(BUNDLE, bundle),
    file(TRUSTSTORE, truststore),
    file(DEBIAN_SOURCE, Buffer.from(authority)),
    file(system.path, bundle),
    ...(await existing(JAVA_TRUSTSTORES)).map((path) => file(path, truststore)),
  ])
  return ENVIRONMENT
}

async function existing(paths: readonly string[]): Promise<readonly string[]> {
  // Not there: another distribution's, or no JDK of the system's.
  const found = await Promise.all(paths.map((path) => realpath(path).catch(() => null)))
  return found.filter((path) => path !== null)
}

async function readSystemBundle(): Promise<{ path: string; text: string }> {
  for (const path of SYSTEM_BUNDLES) {
    try {
      // Files are put in without following links.
      return { path: await realpath(path), text: await readFile(path, 'utf8') }
    } catch {
      // Another distribution's place.
    }
  }
  return { path: SYSTEM_BUNDLES[0] ?? '', text: '' }
}

function file(path: string, content: Buffer): PutEntry {
  return { type: 'file', path: relative(path), mode: 0o644, size: content.length, content }
}

function relative(path: string): string {
  return posix.relative('/', path)
}
