// SPDX-License-Identifier: Apache-2.0
import { printable } from '@sallyport/core'
import { ImagesError } from '../images-error.ts'
import type { JailedResult } from './jail.spawn.ts'

const SHOWN_CHARACTERS = 400

/** What a program's failure means, from what it said: there is no better sign of it. `action`: what was tried. */
export function toolFailure({ stderr, exitCode }: JailedResult, action: string): ImagesError {
  const message = `${action}: ${lastLine(stderr) || `it ended with ${exitCode}`}`
  if (/no space left on device|disk quota exceeded/i.test(stderr))
    return new ImagesError('IMAGE_STORE_FULL', message, { hint: 'Free some space: sallyport image gc' })
  if (/file too large/i.test(stderr)) return ImagesError.refused('layer-bytes', 'a layer is longer than its manifest says')
  // What registries answer to whom they do not know differs; docs/images.md says so.
  if (/unauthorized|authentication required|invalid username\/password|denied|403 \(forbidden\)|status code 40[13]/i.test(stderr))
    return new ImagesError('IMAGE_ACCESS_DENIED', message, { hint: 'Name credentials that may read it: --credentials FILE' })
  if (/manifest unknown|name unknown|not found|repository name not known|404/i.test(stderr))
    return new ImagesError('IMAGE_NOT_FOUND', message, {
      hint: 'Look at its name and tag; some registries say so, too, to whom may not read it',
    })
  if (/digest did not match|does not match (manifest|digest)|digest mismatch|manifest digest/i.test(stderr))
    return ImagesError.refused('digest', 'what its registry sent does not have the digest that its manifest says')
  return new ImagesError('IMAGE_TRANSFER_FAILED', message, { hint: 'Try again; look at the registry and the way to it' })
}

function lastLine(stderr: string): string {
  const lines = stderr.trim().split('\n')
  const last = lines.findLast((line) => line.includes('level=fatal') || line.includes('FATA')) ?? lines.at(-1) ?? ''
  return printable(/msg="(.*)"$/.exec(last)?.[1]?.replaceAll('\\"', '"') ?? last).slice(0, SHOWN_CHARACTERS)
}
