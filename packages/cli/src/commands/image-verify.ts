// SPDX-License-Identifier: Apache-2.0
import { ExitCode, messageOf, SallyportError } from '@sallyport/core'
import type { ImageStore, ImageVerification, StoredImage } from '@sallyport/images'
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { parseAge } from '../options/age.ts'
import { openStore, type StoreFlags } from '../options/image-store.ts'
import { addStateOption } from '../options/shared.ts'
import { oneLine } from '../terminal/sanitize.ts'
import { UntilEnded } from '../until-ended.ts'
import { UsageError } from '../usage-error.ts'

const EXAMPLES = `
Examples:
  sallyport image verify                                          all images
  sallyport image verify registry.example.test/acme/build:12      one, by its name or digest
  sallyport image verify --due 7d                                 those that nobody has verified for a week: for a timer

Every name, mode, owner, link and byte is compared with the import. No job starts on an image that differs. Exit codes: 0 all are as they
were, 3 one is not, 130 interrupted.`

interface Flags extends StoreFlags {
  readonly due?: number
}

type Outcome = ImageVerification & { readonly references: readonly string[]; readonly error: string | null }

export function registerImageVerify(image: Command, context: Context): void {
  const command = image
    .command('verify')
    .argument('[images...]', 'names or digests; all when there are none')
    .description('Compare images with what was imported, byte by byte.')
    .option('--due <age>', 'those only that have not been verified for so long, e.g. 7d', (text) => parseAge('--due', text))
    .option('--json', 'each image as one line of JSON')
  addStateOption(command)
  command.addHelpText('after', EXAMPLES).action((images: readonly string[], flags: Flags) => verifyImages(images, flags, context))
}

async function verifyImages(wanted: readonly string[], flags: Flags, context: Context): Promise<void> {
  const { stdout, stderr } = context
  const store = await openStore(flags, context)
  using ended = new UntilEnded(context.signals)
  for (const rows of (await chosen(store, wanted)).filter(([image]) => isDue(image, flags, context))) {
    const outcome = await verifyOne(store, rows, ended.signal)
    if (ended.signal.aborted || outcome === null) {
      context.exitCode = ExitCode.interrupted
      return
    }
    if (!outcome.isIntact) context.exitCode = ExitCode.refused
    if (flags.json === true) stdout.write(`${JSON.stringify(outcome)}\n`)
    else
      stdout.write(
        `${outcome.isIntact ? 'intact' : 'CHANGED'}  ${outcome.digest}  ${outcome.references.map((name) => oneLine(name)).join(', ')}\n`,
      )
    for (const difference of outcome.differences) stderr.write(`sallyport: ${oneLine(difference, 1000)}\n`)
    if (outcome.error !== null) stderr.write(`sallyport: ${oneLine(outcome.error, 1000)}\n`)
  }
}

/** Rows of one image, each. */
async function chosen(store: ImageStore, wanted: readonly string[]): Promise<readonly (readonly StoredImage[])[]> {
  const images = [...Map.groupBy(await store.list(), ({ digest }) => digest).values()]
  const isNamed = (rows: readonly StoredImage[], name: string): boolean =>
    rows.some(({ reference, digest }) => reference === name || digest === name)
  const unknown = wanted.find((name) => !images.some((rows) => isNamed(rows, name)))
  if (unknown !== undefined)
    throw new UsageError('FILE_UNREADABLE', `There is no image "${oneLine(unknown)}" here`, {
      hint: 'sallyport image ls lists their names and digests',
    })
  return wanted.length === 0 ? images : images.filter((rows) => wanted.some((name) => isNamed(rows, name)))
}

function isDue(image: StoredImage | undefined, { due }: Flags, { now }: Context): boolean {
  return image !== undefined && (due === undefined || now() - Date.parse(image.verifiedAt ?? image.importedAt) >= due)
}

/** Null: interrupted. A record that cannot be believed is what differs. */
async function verifyOne(store: ImageStore, rows: readonly StoredImage[], signal: AbortSignal): Promise<Outcome | null> {
  const [image] = rows
  if (image === undefined) return null
  const references = rows.map(({ reference }) => reference).filter((reference) => reference !== image.digest)
  try {
    return { ...(await store.verify(image.digest, signal)), references, error: null }
  } catch (error) {
    if (signal.aborted) return null
    if (!(error instanceof SallyportError) || error.code !== 'IMAGE_TAMPERED') throw error
    const { digest, bytes, files } = image
    const verifiedAt = new Date().toISOString()
    return { digest, bytes, files, verifiedAt, durationMs: 0, isIntact: false, differences: [], references, error: messageOf(error) }
  }
}
