// SPDX-License-Identifier: Apache-2.0
import { messageOf } from '@sallyport/core'
import type { HttpTls } from '@sallyport/http'
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { readInputFile } from '../options/input-file.ts'
import { addIssuerOptions, type IssuerFlags } from '../options/issuer.ts'
import { type Listen, parseListen } from '../options/listen.ts'
import { oneLine } from '../terminal/sanitize.ts'
import { UntilEnded } from '../until-ended.ts'
import { UsageError } from '../usage-error.ts'

const EXAMPLES = `
Examples:
  sallyport identity serve --issuer https://ci.example.test                         behind a proxy that adds TLS
  sallyport identity serve --listen 192.0.2.7:443 --tls-cert ci.pem --tls-key ci.key

It serves /.well-known/openid-configuration and /jwks, below the path of the issuer's URL, read-only, and holds no key that signs. A rotation
shows at once. SIGINT and SIGTERM end it.`

interface Flags extends IssuerFlags {
  readonly listen: Listen
  readonly tlsCert?: string
  readonly tlsKey?: string
}

const PEM_BYTES_MAX = 256 * 1024

export function registerIdentityServe(identity: Command, context: Context): void {
  const command = identity
    .command('serve')
    .description('Serve the public keys over HTTP, read-only, for verifiers.')
    .option('--listen <address:port>', 'where to listen', parseListen, parseListen('127.0.0.1:8472'))
    .option('--tls-cert <file>', 'certificate with its chain, PEM')
    .option('--tls-key <file>', 'its private key, PEM, unencrypted')
    .option('--json', 'print the address and the issuer as one JSON document')
  addIssuerOptions(command)
  command.addHelpText('after', EXAMPLES).action((flags: Flags) => serve(flags, context))
}

async function serve(flags: Flags, context: Context): Promise<void> {
  const { stdout, stderr } = context
  const tls = tlsOf(flags)
  const [{ HttpServer }, { discoveryHandler }, { openIssuer }] = await Promise.all([
    import('@sallyport/http'),
    import('@sallyport/identity'),
    import('../options/issuer.ts'),
  ])
  const { directory, ring } = await openIssuer(flags, context)
  using ended = new UntilEnded(context.signals)
  const handle = discoveryHandler({ directory, nowS: () => Math.floor(context.now() / 1000) })
  const onFailure = (error: unknown): void => stderr.write(`sallyport: ${oneLine(messageOf(error), 1000)}\n`)
  await using server = await HttpServer.start({ ...flags.listen, handle, onFailure, ...(tls === null ? {} : { tls }) })
  if (flags.json === true) stdout.write(`${JSON.stringify({ url: server.url, issuer: ring.issuer })}\n`)
  stderr.write(`sallyport: serving the keys of ${ring.issuer} at ${server.url}/\n`)
  await ended.wait()
}

function tlsOf({ tlsCert, tlsKey }: Flags): HttpTls | null {
  if (tlsCert === undefined && tlsKey === undefined) return null
  if (tlsCert === undefined || tlsKey === undefined) throw new UsageError('USAGE', '--tls-cert and --tls-key go together')
  const read = (path: string, option: string): string => readInputFile(path, { option, bytesMax: PEM_BYTES_MAX })
  return { cert: read(tlsCert, '--tls-cert'), key: read(tlsKey, '--tls-key') }
}
