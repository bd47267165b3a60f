// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path'
import { readHostNames, readNameServers } from '../../access/host-names.ts'
import { loadOperator } from '../../access/load-operator.ts'
import { AUDIT_POLICY, LEASE_POLICY, readPolicy } from '../../audit/witness-policy.ts'
import type { EgressReport } from '../../contract.ts'
import { egressNeeds, systemdFragment } from './egress-needs.ts'

/** From the files alone: nothing is asked of the network. @throws AgentError OPERATOR_FILE_REFUSED, AUDIT_POLICY_INVALID; AccessError */
export async function readEgressNeeds(stateDirectory: string, operatorFile: string | null): Promise<EgressReport> {
  const operator = await loadOperator(operatorFile)
  const own = operator?.egress.nameServers ?? []
  const policies = await Promise.all([AUDIT_POLICY, LEASE_POLICY].map((name) => readPolicy(join(stateDirectory, name))))
  const needs = egressNeeds({
    operator,
    nameServers: [...new Set([...(await readNameServers()), ...own])],
    witnesses: policies.flatMap((policy) => policy?.witnesses ?? []).flatMap(({ url }) => (url === null ? [] : [url])),
    hosts: { ...(await readHostNames()).hosts, ...operator?.egress.hosts },
  })
  return { needs, fragment: systemdFragment(needs) }
}
