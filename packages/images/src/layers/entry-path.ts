// SPDX-License-Identifier: Apache-2.0
import { printable } from '@sallyport/core'
import { ImagesError } from '../images-error.ts'
import { NAME_BYTES_MAX, PATH_BYTES_MAX } from '../limits.ts'

// Control characters would forge lines of lists and terminals; NUL ends a name for the kernel before it does for us.
const CONTROL = /[\0-\x1f\x7f]/

/** The components of an entry's name, none for the root. Bytes are characters. @throws ImagesError IMAGE_REFUSED `name` or `path` */
export function entryPath(name: string): readonly string[] {
  if (CONTROL.test(name)) throw ImagesError.refused('name', `a name has a control character: "${say(name)}"`)
  if (name.length > PATH_BYTES_MAX) throw ImagesError.refused('name', `a name has more than ${PATH_BYTES_MAX} bytes`)
  const components = name.split('/').filter((component) => component !== '' && component !== '.')
  for (const component of components) {
    if (component === '..') throw ImagesError.refused('path', `a name goes up: "${say(name)}"`)
    if (component.length > NAME_BYTES_MAX) throw ImagesError.refused('name', `a part of a name has more than ${NAME_BYTES_MAX} bytes`)
  }
  return components
}

/** It may lead anywhere: a link is text, until somebody within the image follows it there. @throws ImagesError IMAGE_REFUSED `link-target` */
export function linkTarget(target: string, at: string): string {
  if (target !== '' && target.length <= PATH_BYTES_MAX && !CONTROL.test(target)) return target
  throw ImagesError.refused('link-target', `the link "${say(at)}" leads to no name`)
}

/** Bytes of a name, for a message. */
export function say(name: string): string {
  return printable(Buffer.from(name, 'latin1').toString('utf8')).slice(0, 200)
}
