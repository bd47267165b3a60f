// SPDX-License-Identifier: Apache-2.0
import { ExitCode, formatSize, SallyportError } from '@sallyport/core'
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { fileOf } from '../options/egress.ts'
import { addRegistryOptions, type RegistryFlags, readCredentials, readRegistries } from '../options/image-store.ts'
import { stateDirectoryOf } from '../options/shared.ts'
import { oneLine } from '../terminal/sanitize.ts'
import { UntilEnded } from '../until-ended.ts'

const EXAMPLES = `
Examples:
  sallyport image pull registry.example.test/acme/build:12
  sallyport image pull registry.example.test/acme/build@sha256:0123…    exactly this one
  sallyport image pull registry.example.test/acme/build --credentials login
  sallyport image pull oci:build/layout:latest                          also oci-archive:FILE and docker-archive:FILE

Its registry is asked each time whether you may have it, also when it is here already. Where there is an operator's file its registries: are the
ceiling, as for jobs. Exit codes: 0 it is here, 2 there is no such image or it is nothing that jobs may run on, 3 the registry or the operator does
not give it to you, or what is stored has been changed, 6 it could not be transferred.`

export function registerImagePull(image: Command, context: Context): void {
  const command = image
    .command('pull')
    .argument('<reference>', 'HOST[:PORT]/NAME[:TAG][@DIGEST], oci:DIR[:TAG], oci-archive:FILE[:TAG] or docker-archive:FILE[:NAME]')
    .description('Bring an image here, and print its digest.')
    .option('--json', 'one JSON document')
  addRegistryOptions(command)
  command.addHelpText('after', EXAMPLES).action((reference: string, flags: RegistryFlags) => pullImage(reference, flags, context))
}

async function pullImage(reference: string, flags: RegistryFlags, context: Context): Promise<void> {
  const { stdout, stderr, config, workingDirectory } = context
  const request = {
    reference,
    credentials: readCredentials(flags, context),
    operatorFile: fileOf(flags.config, workingDirectory),
    registries: readRegistries(flags, context),
  }
  const { images } = await context.loadAgent()
  using ended = new UntilEnded(context.signals)
  const onProgress = (text: string): void => stderr.write(`sallyport: ${oneLine(`${reference}: ${text}`, 400)}\n`)
  try {
    const pulled = await images.pull(stateDirectoryOf(flags, config.stateDirectory), { ...request, signal: ended.signal, onProgress })
    stdout.write(flags.json === true ? `${JSON.stringify(pulled)}\n` : `${pulled.digest}\n`)
    stderr.write(`sallyport: ${oneLine(reference)} is here: ${pulled.files} files and directories, ${formatSize(pulled.bytes)}\n`)
  } catch (error) {
    if (!ended.signal.aborted) throw error
    throw new Interrupted()
  }
}

/** What was begun is gone already. */
class Interrupted extends SallyportError<string> {
  override readonly name = 'Interrupted'
  readonly exitCode = ExitCode.interrupted

  constructor() {
    super('INTERRUPTED', 'The pull was interrupted; nothing of it is left')
  }
}
