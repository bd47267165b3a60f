// SPDX-License-Identifier: Apache-2.0
import { join, posix } from 'node:path'
import { quote } from '@sallyport/core'
import { ImagesError } from '../images-error.ts'
import { OWNER_MAX } from '../limits.ts'
import { assertWorkingPlace } from '../manifest/image-config.ts'
import { readSmall } from '../source/read-small.ts'
import type { ImageTree } from './image-tree.ts'

const DATABASE_BYTES_MAX: number = 2 ** 20
/** ELOOP of Linux. */
const LINKS_MAX = 40

/** @param root The tree, unpacked and compared: directories of `tree` are directories there. @throws ImagesError IMAGE_REFUSED `user` */
export async function assertUser(user: string, tree: ImageTree, root: string): Promise<void> {
  if (user === '') return
  const [name = '', group] = user.split(':')
  await assertKnown(name, { database: 'etc/passwd', tree, root })
  if (group !== undefined) await assertKnown(group, { database: 'etc/group', tree, root })
}

interface Database {
  readonly database: string
  readonly tree: ImageTree
  readonly root: string
}

async function assertKnown(name: string, { database, tree, root }: Database): Promise<void> {
  if (/^[0-9]+$/.test(name)) {
    if (Number(name) <= OWNER_MAX) return
    throw ImagesError.refused('user', `its user or group ${name} is above ${OWNER_MAX}, the last that a job has`)
  }
  const isFile = tree.at(database)?.type === 'file'
  const text = isFile ? (await readSmall(join(root, database), DATABASE_BYTES_MAX)).toString('latin1') : ''
  if (text.split('\n').some((line) => line.startsWith(`${name}:`))) return
  throw ImagesError.refused('user', `its user or group ${quote(name)} is not in its /${database}`)
}

/** Where a working directory leads within the image, by its links: not to where no program begins. @throws ImagesError IMAGE_REFUSED `working-directory` */
export function assertWorkingDirectory(workingDir: string, tree: ImageTree): void {
  let rest = workingDir.split('/').filter((name) => name !== '')
  let at: string[] = []
  for (let links = 0; rest.length > 0; ) {
    const [name = '', ...after] = rest
    rest = after
    if (name === '..') {
      at = at.slice(0, -1)
      continue
    }
    // Names in a config are text, names in a tree are bytes.
    const here = [...at, name]
    const node = tree.at(here.map((part) => Buffer.from(part).toString('latin1')).join('/'))
    if (node?.type !== 'link') {
      if (node?.type === 'file')
        throw ImagesError.refused('working-directory', `its working directory ${quote(workingDir)} goes through a file`)
      at = here
      continue
    }
    links += 1
    if (links > LINKS_MAX)
      throw ImagesError.refused('working-directory', `its working directory ${quote(workingDir)} has links without end`)
    const target = Buffer.from(node.target, 'latin1').toString()
    if (target.startsWith('/')) at = []
    rest = [...target.split('/').filter((part) => part !== '' && part !== '.'), ...rest]
  }
  assertWorkingPlace(posix.join('/', ...at))
}
