// SPDX-License-Identifier: Apache-2.0
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { registerImageBuildMinimal } from './image-build-minimal.ts'
import { registerImageGc } from './image-gc.ts'
import { registerImageLs } from './image-ls.ts'
import { registerImagePull } from './image-pull.ts'
import { registerImageVerify } from './image-verify.ts'

const EXAMPLES = `
Examples:
  sallyport image pull registry.example.test/acme/build:12     bring an image here; its digest is printed
  sallyport image ls                                           what is here
  sallyport image verify                                       is all of it still what was imported
  sallyport image gc                                           remove what no name leads to any more
  sallyport image build-minimal --packages git -o oci:tools     make one of Debian packages

Images are read-only and shared by all jobs; see docs/images.md.`

export function registerImage(program: Command, context: Context): void {
  const image = program
    .command('image')
    .description('The images that jobs run on: bring, check, list and remove them.')
    .addHelpText('after', EXAMPLES)
  registerImagePull(image, context)
  registerImageVerify(image, context)
  registerImageLs(image, context)
  registerImageGc(image, context)
  registerImageBuildMinimal(image, context)
}
