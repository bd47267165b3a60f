// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs'

/** Where ids of jobs begin, and how far one range lies from the next: native/src/keeper-slot.c. */
export const SLOT_ID_BASE = 0x7000_0000
export const SLOT_ID_DISTANCE = 65_536
/** The first gate's: one for each slot, behind the last range that root can have. */
export const GATE_ID_BASE: number = SLOT_ID_BASE + 4095 * SLOT_ID_DISTANCE

/** The user namespace that an ordinary user's supervisor lives in (native/src/outer.c): its root is the user. */
export interface OuterNamespace {
  /** The user's own id outside. */
  readonly userId: number
  /** Ranges of ids for jobs, and ids of each. */
  readonly slots: number
  readonly ids: number
  /** What the host calls an id; -1 for one that it has not. */
  readonly hostId: (id: number) => number
}

interface Extent {
  readonly inside: number
  readonly outside: number
  readonly count: number
}

/** Null for root, and for everybody who is in no such namespace. It is the kernel that says so: `text` is another map in tests only. */
export function readOuterNamespace(text: string = readFileSync('/proc/self/uid_map', 'utf8')): OuterNamespace | null {
  const extents = text.trim().split('\n').map(parseExtent)
  const user = extents.find(({ inside, count }) => inside === 0 && count === 1)
  const ranges = extents.filter(({ inside }) => inside >= SLOT_ID_BASE && inside < GATE_ID_BASE)
  const [first] = ranges
  if (user === undefined || first === undefined || first.inside !== SLOT_ID_BASE) return null
  return {
    userId: user.outside,
    slots: ranges.length,
    ids: first.count,
    hostId: (id) => {
      const extent = extents.find(({ inside, count }) => id >= inside && id < inside + count)
      return extent === undefined ? -1 : extent.outside + id - extent.inside
    },
  }
}

function parseExtent(line: string): Extent {
  const [inside = -1, outside = -1, count = 0] = line.trim().split(/\s+/).map(Number)
  return { inside, outside, count }
}
