// SPDX-License-Identifier: Apache-2.0
// What the publish with a placeholder has to show, and how it is told.
import type { PublishRun } from './publish-run.ts'

const REGISTRY = 'registry.test'
const ATTACKER = 'evil.test'

/** What the job found in its environment, as it says itself; null: it said nothing. */
function heldBy({ log }: Pick<PublishRun, 'log'>): string | null {
  return /^(?:.*\s)?held (\S+)\s*$/m.exec(log)?.[1] ?? null
}

function refusedPlaceholders({ refused }: PublishRun): PublishRun['refused'] {
  return refused.filter(({ code, target }) => code === 'placeholder' && target.includes(ATTACKER))
}

/** Why the demonstration fails; empty where it does not. */
export function judgePublish(run: PublishRun): readonly string[] {
  const { token, exitCode, log, told, arrivals } = run
  const held = heldBy(run)
  const faults: string[] = []
  if (exitCode !== 0) faults.push(`the publish ended with exit code ${exitCode}`)
  if (held === null || held === token || held.includes('*') || held.length !== token.length)
    faults.push('the job did not say that it held a placeholder of the token’s shape')
  if (log.includes(token) || told.includes(token)) faults.push('the token stands in what the run printed')
  const published = arrivals.filter(({ host, authorization }) => host === REGISTRY && authorization === `Bearer ${token}`)
  if (published.length !== 1) faults.push(`the registry was given the token ${published.length} times, not once`)
  if (arrivals.some(({ host }) => host !== REGISTRY)) faults.push('a request with the placeholder reached another host')
  if (refusedPlaceholders(run).length !== 2) faults.push('the gate did not refuse both requests with the placeholder by name')
  return faults
}

export function renderPublish(run: PublishRun): string {
  const { token, arrivals } = run
  const shown = (text: unknown): string => String(text).replaceAll(token, `${token.slice(0, 4)}… (the token itself)`)
  const lines = [
    `  the job held        REGISTRY_TOKEN=${shown(heldBy(run) ?? '(it did not say)')}`,
    ...arrivals.map(
      ({ method, host, uri, status, authorization }) =>
        `  ${String(host).padEnd(18)}  ${String(method)} ${String(uri)}: ${String(status)}, with authorization: ${shown(authorization)}`,
    ),
    ...refusedPlaceholders(run).map(({ target, reason, step }) => `  refused             ${target} in step "${step}": ${reason}`),
  ]
  return lines.join('\n')
}
