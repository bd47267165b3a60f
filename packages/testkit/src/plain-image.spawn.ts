// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

/** Programs that tests call inside of sandboxes, where the host has them. */
const PROGRAMS =
  'awk bash sh cat chmod chown cp cut date dd df echo env false find getent grep head hostname id kill ln ls mkdir mkfifo mktemp mount mv nproc od ps printf pwd readlink rm sed seq setsid sha256sum sleep sort stat tail tee test timeout touch tr true uname wc xargs'.split(
    ' ',
  )

/** Merged, as in the images of today. */
const LINKS = ['bin', 'sbin', 'lib', 'lib64'] as const

/**
 * A small root file system as an image has it, in a new directory: shells and simple programs of this host with their libraries. Nothing is in it that Sallyport
 * has to add: neither /proc, nor /home, nor /tmp, nor a name server.
 */
export function plainImageTree(root: string): string {
  for (const name of LINKS) mkdirSync(join(root, 'usr', name), { recursive: true })
  for (const name of LINKS) symlinkSync(`usr/${name}`, join(root, name))
  mkdirSync(join(root, 'etc'))
  writeFileSync(join(root, 'etc/os-release'), 'ID=plain\nPRETTY_NAME="Plain image"\n')
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n')
  writeFileSync(join(root, 'etc/group'), 'root:x:0:\ndaemon:x:1:\n')
  const programs = PROGRAMS.flatMap((name) => programPath(name) ?? [])
  for (const path of programs) copyFileSync(realpathSync(path), join(root, 'usr/bin', basename(path)))
  for (const library of new Set(programs.flatMap(librariesOf))) {
    const target = join(root, library.replace(/^\/(lib|lib64)\//, '/usr/$1/'))
    mkdirSync(dirname(target), { recursive: true })
    copyFileSync(realpathSync(library), target)
  }
  return root
}

function programPath(name: string): string | null {
  return ['/usr/bin', '/bin', '/usr/sbin', '/sbin'].map((directory) => join(directory, name)).find((path) => existsSync(path)) ?? null
}

/** Absolute paths, the loader among them. */
function librariesOf(program: string): readonly string[] {
  const output = execFileSync('ldd', [program], { encoding: 'utf8' })
  return [...output.matchAll(/(?:=> |^\s*)(\/\S+) \(0x/gm)].map(([, path = '']) => path)
}
