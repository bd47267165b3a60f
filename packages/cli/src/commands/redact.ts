// SPDX-License-Identifier: Apache-2.0
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { readSecretsFile } from '../options/secrets.ts'
import { addUnusedStateOption } from '../options/shared.ts'

const EXAMPLES = `
Examples:
  kubectl logs app | sallyport redact --secrets-file secrets.env
  sallyport redact --secrets-file secrets.env --json < build.log     the counts instead of the text`

interface RedactFlags {
  readonly secretsFile: string
  readonly json?: true
}

export function registerRedact(program: Command, context: Context): void {
  const command = program
    .command('redact')
    .description('Copy stdin to stdout with secrets masked, also in their usual encodings.')
    .requiredOption('--secrets-file <file>', 'values to mask, a dotenv file')
    .option('--json', 'print how much was masked instead of the text')
  addUnusedStateOption(command)
  command.addHelpText('after', EXAMPLES).action((flags: RedactFlags) => redact(flags, context))
}

async function redact(flags: RedactFlags, { stdin, stdout, stderr }: Context): Promise<void> {
  const { createSecretSet } = await import('@sallyport/redaction')
  const secrets = createSecretSet()
  for (const { name, value } of readSecretsFile(flags.secretsFile)) {
    const added = secrets.add(value)
    if (!added.masked) stderr.write(`sallyport: "${name}" is not masked: it is ${added.reason.replace('-', ' ')}\n`)
  }
  const stream = secrets.createStream()
  let bytesIn = 0
  const release = (bytes: Uint8Array): void => {
    if (flags.json !== true && bytes.byteLength > 0) stdout.write(Uint8Array.from(bytes))
  }
  for await (const chunk of stdin) {
    bytesIn += chunk.byteLength
    release(stream.write(chunk))
    if (stdout.isBroken) return
  }
  release(stream.end())
  if (flags.json === true) stdout.write(`${JSON.stringify({ bytes: bytesIn, masked: stream.maskedCount })}\n`)
}
