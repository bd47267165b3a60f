// SPDX-License-Identifier: Apache-2.0
import { formatSize } from '@sallyport/core'
import type { StoredImage } from '@sallyport/images'
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { openStore, type StoreFlags } from '../options/image-store.ts'
import { addStateOption } from '../options/shared.ts'
import { oneLine } from '../terminal/sanitize.ts'
import { renderTable } from '../terminal/table.ts'

const EXAMPLES = `
Examples:
  sallyport image ls
  sallyport image ls --json | jq -r '.images[].digest'

An image without a name is listed by its digest; "sallyport image gc" removes it.`

export function registerImageLs(image: Command, context: Context): void {
  const command = image.command('ls').description('List the images that are here.').option('--json', 'one JSON document')
  addStateOption(command)
  command.addHelpText('after', EXAMPLES).action((flags: StoreFlags) => listImages(flags, context))
}

async function listImages(flags: StoreFlags, context: Context): Promise<void> {
  const images = await (await openStore(flags, context)).list()
  if (flags.json === true) context.stdout.write(`${JSON.stringify({ images })}\n`)
  else if (images.length === 0) context.stderr.write('sallyport: there are no images here\n')
  else context.stdout.write(renderTable([['reference', 'digest', 'size', 'files', 'imported', 'verified'], ...images.map(rowOf)]))
}

function rowOf({ reference, digest, bytes, files, importedAt, verifiedAt }: StoredImage): readonly string[] {
  const name = reference === digest ? '–' : oneLine(reference, 300)
  return [name, digest, formatSize(bytes), String(files), importedAt.slice(0, 16), verifiedAt?.slice(0, 16) ?? 'not since']
}
