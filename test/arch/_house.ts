// SPDX-License-Identifier: Apache-2.0
// The architecture as tables. A new entry needs a reason that a reviewer can disagree with.
import type { UseKind } from './_source-facts.ts'

export interface PackageRule {
  /** Packages of ours that it may import: arrows go down only. */
  readonly packages: readonly string[]
  /** No input or output, no clock, no chance, no environment: then only the modules named here. */
  readonly isPure: boolean
  /** Node modules that a pure package may import, each with its reason. Others may import every module that is not banned. */
  readonly nodeModules?: Readonly<Record<string, string>>
  /** npm packages that it may import, each with its reason. */
  readonly npm?: Readonly<Record<string, string>>
}

export const packageRules: Readonly<Record<string, PackageRule>> = {
  core: { packages: [], isPure: true },
  workflow: {
    packages: ['core'],
    isPure: true,
    nodeModules: { 'node:module': 'the parser imports JSON without an import attribute; a load hook adds it' },
    npm: {
      '@actions/expressions': 'the official expression language',
      '@actions/workflow-parser': 'the official parser: schema and positions',
      yaml: 'anchors and positions that the official parser does not keep; it brings this library itself',
    },
  },
  engine: { packages: ['core', 'workflow'], isPure: true },
  redaction: { packages: ['core'], isPure: true, nodeModules: { 'node:buffer': 'it works on the bytes of a stream' } },
  'secret-watch': { packages: ['core'], isPure: true },
  'leak-scan': {
    packages: ['core', 'redaction'],
    isPure: true,
    nodeModules: {
      'node:buffer': 'it works on the bytes of a stream',
      'node:crypto': 'fingerprints, which are SHA-256',
      'node:stream': 'what zlib offers is one',
      'node:zlib': 'archives are searched inside',
    },
  },
  access: {
    packages: ['core'],
    isPure: true,
    npm: { yaml: 'positions of every key, for errors that name the line' },
  },
  'audit-log': {
    packages: ['core'],
    isPure: true,
    nodeModules: { 'node:buffer': 'it works on bytes', 'node:crypto': 'SHA-256 and Ed25519' },
  },
  'aws-signature': {
    packages: [],
    isPure: true,
    nodeModules: { 'node:crypto': 'SHA-256 and HMAC' },
  },
  linux: { packages: ['core'], isPure: false },
  sandbox: { packages: ['core', 'linux'], isPure: false },
  store: { packages: ['core', 'audit-log', 'linux'], isPure: false },
  // It is beside `store`, for whose durable files it has no second copy.
  'key-process': { packages: ['core', 'linux', 'store'], isPure: false },
  images: { packages: ['core', 'linux', 'store'], isPure: false },
  signer: { packages: ['core', 'audit-log', 'key-process', 'store'], isPure: false },
  identity: {
    packages: ['core', 'access', 'http', 'key-process', 'store'],
    isPure: false,
    npm: { jose: 'JWS, JWK and thumbprints' },
  },
  http: { packages: ['core'], isPure: false },
  witness: { packages: ['core', 'audit-log', 'http', 'store'], isPure: false },
  'log-export': { packages: ['core', 'audit-log', 'http', 'store'], isPure: false },
  'log-shipping': { packages: ['core', 'audit-log', 'http', 'store'], isPure: false },
  'host-logs': { packages: ['core', 'linux'], isPure: false },
  secrets: {
    packages: ['core', 'aws-signature', 'http', 'linux', 'store'],
    isPure: false,
    npm: { 'age-encryption': 'the file format of the embedded store, by its own authors' },
  },
  publisher: { packages: ['core', 'access', 'http', 'linux'], isPure: false },
  gate: {
    packages: ['core', 'access', 'aws-signature', 'redaction'],
    isPure: false,
  },
  testkit: { packages: ['core', 'linux', 'sandbox', 'secrets', 'gate'], isPure: false },
  agent: {
    packages: [
      'core',
      'workflow',
      'engine',
      'access',
      'redaction',
      'audit-log',
      'linux',
      'sandbox',
      'store',
      'signer',
      'secret-watch',
      'secrets',
      'publisher',
      'witness',
      'host-logs',
      'gate',
      'identity',
      'images',
    ],
    isPure: false,
  },
  cli: {
    packages: [
      'core',
      'workflow',
      'engine',
      'access',
      'leak-scan',
      'redaction',
      'audit-log',
      'linux',
      'sandbox',
      'store',
      'signer',
      'http',
      'witness',
      'identity',
      'log-export',
      'secrets',
      'images',
      'agent',
    ],
    isPure: false,
    npm: { commander: 'options and --help' },
  },
}

/** What tests may import beyond their package's row. */
export const testPackages: readonly string[] = ['testkit']
export const testNpm: Readonly<Record<string, string>> = {
  '@actions/core': 'the client that actions ask identity tokens with',
  'fast-check': 'properties',
  '@azure/identity': 'proves that the double of Entra ID speaks the protocol',
  '@azure/keyvault-secrets': 'proves that the double of Key Vault does',
  '@google-cloud/secret-manager': 'proves that the double of Secret Manager and its token exchange does',
}

export interface Ban {
  readonly reason: string
  /** Files of `packages/` (tests aside) where it is allowed after all. */
  readonly except?: RegExp
}

const sockets: Ban = {
  reason:
    "a job's outbound sockets belong to packages/gate; the control plane's to packages/http (witnesses, monitors, collectors) and the " +
    'syslog transport of log-export; a process that holds keys or credentials opens none, but is given one',
  except:
    /^packages\/((gate|http)\/|(key-process\/src\/serve|(secrets|publisher)\/src\/main)\.ts$|log-export\/src\/syslog\/syslog-connection\.ts$)/,
}

/** Modules that no file of a package may import as a value; tests may. */
export const bannedModules: Readonly<Record<string, Ban>> = {
  'node:child_process': { reason: 'only *.spawn.ts may start processes (argv arrays, no shell)', except: /\.spawn\.ts$/ },
  'node:cluster': { reason: 'processes are started by *.spawn.ts' },
  'node:dgram': sockets,
  'node:http': sockets,
  'node:http2': sockets,
  'node:https': sockets,
  'node:inspector': { reason: 'a debugger reads every secret of its process' },
  'node:net': sockets,
  'node:test': { reason: 'tests, and the suites of packages/testkit that they call', except: /^packages\/testkit\// },
  'node:tls': sockets,
  'node:vm': { reason: 'it is no sandbox' },
}

/** Things in the code itself; they bind tests too where `inTests` says so. */
export const bannedUses: Readonly<Record<UseKind, Ban & { readonly inTests: boolean; readonly onlyPure?: boolean }>> = {
  'process.env': { reason: 'the environment is read once, in config.ts', except: /\/config\.ts$/, inTests: false },
  'process.exit': {
    reason: 'it cuts off output and clean-up: set process.exitCode, at the edge',
    except: /^packages\/(cli\/src\/(main|interrupt)|(gate|secrets|publisher)\/src\/main|key-process\/src\/serve)\.ts$/,
    inTests: false,
  },
  eval: { reason: 'text never becomes code', inTests: true },
  'shell: true': { reason: 'argv arrays only: a shell would parse what an attacker chose', inTests: true },
  'dynamic RegExp': { reason: 'a pattern from input is denial of service or a bypass; write a literal', inTests: false },
  'dynamic import': { reason: 'only a literal may name the code that is loaded', inTests: false },
  clock: { reason: 'pure packages are given the time', inTests: false, onlyPure: true },
  random: { reason: 'pure packages are given chance; ids and keys come from node:crypto', inTests: false, onlyPure: true },
}
