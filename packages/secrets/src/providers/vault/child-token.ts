// SPDX-License-Identifier: Apache-2.0
import { quote } from '@sallyport/core'
import type { JobIdentity, SessionRequest } from '../../contract.ts'
import { SecretsError } from '../../secrets-error.ts'
import type { JsonObject } from '../json.ts'
import { noteOrEnd } from './note-or-end.ts'
import { revokeAccessor } from './revoke.ts'
import { type MadeToken, nonsense, readMadeToken, readWrapping, type VaultAnswer } from './vault-answer.ts'
import type { SessionParts, SessionToken } from './vault-session.ts'
import type { VaultSettings } from './vault-settings.ts'

/** To note the accessor, which writes to disk. */
const WRAP_TTL_S = 60
/** What a job's name may be in the server's audit log; refs are chosen by whoever pushes. */
const META_LENGTH_MAX = 256
/** Seconds are rounded, and clocks differ. */
const SLACK_MS = 5000
const END_MS = 5000

/** A child of the broker's token, for one job: not renewable, and ended by itself when the job's time is over. @throws SecretsError */
export async function openChild(parts: SessionParts, request: SessionRequest, signal: AbortSignal): Promise<SessionToken> {
  const { settings, broker, nowMs } = parts
  const { tokenRole, wrap } = settings
  const what = `make a job's token at ${quote(settings.name)}`
  const path = tokenRole === null ? 'auth/token/create' : `auth/token/create/${encodeURIComponent(tokenRole)}`
  const askedMs = nowMs()
  const { answer, by } = await broker.ask(
    { what, method: 'POST', path, body: childBody(settings, request), isRepeatable: false, signal, ...(wrap && { wrapTtlS: WRAP_TTL_S }) },
    request.ttlMs,
  )
  const { token, accessor } = wrap ? wrappedOf(answer, what) : readMadeToken(answer, what)
  await noteOrEnd(parts, accessor, request)
  try {
    const child = wrap ? await unwrap(parts, { token, accessor }, { what, signal }) : readMadeToken(answer, what)
    assertBounded(child, { what, ttlMs: request.ttlMs, tokenRole })
    const endMs = Math.min(askedMs + (child.ttlMs ?? 0), nowMs() + by.lastsMs)
    return { token: child.token, accessor, endMs, stop: () => undefined }
  } catch (error) {
    // It is noted, so that a later start would end it, too
    await revokeAccessor(broker, accessor, AbortSignal.timeout(END_MS)).catch(() => undefined)
    throw error
  }
}

function childBody({ jobPolicies }: VaultSettings, { identity, ttlMs }: SessionRequest): JsonObject {
  const ttl = `${Math.max(1, Math.floor(ttlMs / 1000))}s`
  return {
    type: 'service',
    renewable: false,
    no_parent: false,
    no_default_policy: true,
    ttl,
    explicit_max_ttl: ttl,
    display_name: `sallyport-${identity.job}`.slice(0, META_LENGTH_MAX),
    meta: metaOf(identity),
    ...(jobPolicies !== null && { policies: jobPolicies }),
  }
}

function metaOf({ run, job, repository, ref }: JobIdentity): Readonly<Record<string, string>> {
  const known = { run, job, repository, ref }
  return Object.fromEntries(
    Object.entries(known).flatMap(([name, value]) => (value === null ? [] : [[name, value.slice(0, META_LENGTH_MAX)]])),
  )
}

/** The token is nobody's to use until it is unwrapped, which is after its accessor is on disk. */
function wrappedOf(answer: VaultAnswer, what: string): { readonly token: string; readonly accessor: string } {
  const { token, wrappedAccessor } = readWrapping(answer, what)
  if (wrappedAccessor === null) throw nonsense(what, 'no accessor of what is wrapped')
  return { token, accessor: wrappedAccessor }
}

async function unwrap(
  { client }: SessionParts,
  { token, accessor }: { token: string; accessor: string },
  { what, signal }: { what: string; signal: AbortSignal },
): Promise<MadeToken> {
  const path = 'sys/wrapping/unwrap'
  const child = readMadeToken(await client.ask({ what, method: 'POST', path, token, body: null, isRepeatable: false, signal }), what)
  if (child.accessor !== accessor) throw nonsense(what, 'another token than the one that was wrapped')
  return child
}

/** A token role can give more than was asked for. */
function assertBounded(child: MadeToken, { what, ttlMs, tokenRole }: { what: string; ttlMs: number; tokenRole: string | null }): void {
  const lastsTooLong = child.ttlMs === null || child.ttlMs > ttlMs + SLACK_MS || child.isRenewable
  if (!lastsTooLong && !child.isOrphan) return
  throw new SecretsError('PROVIDER_CONFIG_INVALID', `Cannot ${what}: it ${child.isOrphan ? 'is an orphan' : 'could outlive the job'}`, {
    hint: `Set ${child.isOrphan ? 'orphan=false' : 'renewable=false, and no token_period,'} on the token role ${quote(tokenRole ?? '')}`,
  })
}
