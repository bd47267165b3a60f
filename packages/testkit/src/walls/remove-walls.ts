// SPDX-License-Identifier: Apache-2.0
import type { WallTransform } from '@sallyport/sandbox'
import { buildHelper, type SourcePatch } from '../compile.spawn.ts'
import type { OciConfig } from './oci-config.ts'
import { WALLS, type Wall, type WallName } from './walls.ts'

/** Conditions of an experiment that are no wall: something for the walls to stop, there with and without them. */
export type PlantName = 'leaked-descriptor' | 'session-key'

const PLANTS: Readonly<Record<PlantName, SourcePatch>> = {
  // As a runtime with CVE-2024-21626: a directory of the host, open without close-on-exec in the process that becomes a step.
  'leaked-descriptor': {
    file: 'enter.c',
    find: '  join_namespaces(pidfd);',
    replace: '  if (open("/", O_RDONLY | O_DIRECTORY) < 0) refuse("leak");\n  join_namespaces(pidfd);',
  },
  'session-key': {
    file: 'enter.c',
    find: '  if (setsid() < 0 && errno != EPERM) failed("setsid", errno);',
    replace:
      '  if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 || syscall(SYS_add_key, "user", "planted-key", "loot", 4, KEY_SPEC_SESSION_KEYRING) < 0) failed("plant a key", errno);\n  if (setsid() < 0 && errno != EPERM) failed("setsid", errno);',
  },
}

/** What takes these walls out of a sandbox, and only these. */
export async function removeWalls(names: readonly WallName[], plants: readonly PlantName[] = []): Promise<WallTransform> {
  const walls: readonly Wall[] = names.map((name) => WALLS[name])
  const patches = [...walls.flatMap((wall) => wall.helper ?? []), ...plants.map((name) => PLANTS[name])]
  const changed = patches.length === 0 ? null : await buildHelper(patches)
  return {
    helper: (path) => changed ?? path,
    bundle: (config) => walls.reduce((changing, wall) => wall.bundle?.(changing) ?? changing, config as OciConfig),
    step: (step) => walls.reduce((changing, wall) => wall.step?.(changing) ?? changing, step),
  }
}
