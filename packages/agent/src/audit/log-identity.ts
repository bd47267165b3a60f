// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto'
import { link, rm } from 'node:fs/promises'
import { hostname } from 'node:os'
import { dirname, join } from 'node:path'
import type { TreeHead } from '@sallyport/audit-log'
import { readPublicState } from '@sallyport/signer'
import { makePrivateDirectory, readWhole, StoreError, writeFileDurably } from '@sallyport/store'
import type { AuditPlaces } from './audit-places.ts'

/** A name that a verifier key can have. */
const ORIGIN = /^[a-z0-9.-]{1,200}\/sallyport\/[0-9a-f]{8}$/
const ORIGIN_BYTES_MAX = 1024

export interface LogIdentity {
  /** Names the log, for good. */
  readonly origin: string
  /** The tree that was signed last: the log has to have at least that many entries. */
  readonly signed: TreeHead | null
}

/** The signer knows the name once it has signed; before, a file beside the log does. Null where there is no log. */
export async function readLogIdentity({ log, signer }: AuditPlaces): Promise<LogIdentity | null> {
  const state = await readPublicState(signer)
  if (state !== null) return { origin: state.origin, signed: state.latest }
  const origin = await readOrigin(originPath(log))
  return origin === null ? null : { origin, signed: null }
}

/** Gives a new log its name. */
export async function establishLogIdentity(places: AuditPlaces): Promise<LogIdentity> {
  const known = await readLogIdentity(places)
  if (known !== null) return known
  for (const path of [dirname(places.log), places.log]) await makePrivateDirectory(path)
  await writeOrigin(originPath(places.log), `${hostLabel()}/sallyport/${randomBytes(4).toString('hex')}`)
  return establishLogIdentity(places)
}

function originPath(log: string): string {
  return join(log, 'origin')
}

async function readOrigin(path: string): Promise<string | null> {
  const text = (await readWhole(path, ORIGIN_BYTES_MAX))?.toString().trimEnd() ?? null
  if (text === null || ORIGIN.test(text)) return text
  throw new StoreError('STORE_CORRUPT', `Cannot read "${path}": it does not hold the name of a log`)
}

/** Of two that start a log at the same time, the first one names it. */
async function writeOrigin(path: string, origin: string): Promise<void> {
  const temporary = `${path}.${randomBytes(8).toString('hex')}`
  await writeFileDurably(temporary, `${origin}\n`)
  try {
    await link(temporary, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    await rm(temporary)
  }
}

function hostLabel(): string {
  return (
    hostname()
      .toLowerCase()
      .replaceAll(/[^a-z0-9.-]/g, '-')
      .slice(0, 100) || 'localhost'
  )
}
