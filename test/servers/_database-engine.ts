// SPDX-License-Identifier: Apache-2.0
import type { OpenBao } from './_openbao.ts'
import type { Postgres } from './_postgres.ts'

/** At `database/`, with the role `ci`: accounts of this PostgreSQL. */
export async function addDatabaseEngine(bao: OpenBao, postgres: Postgres): Promise<void> {
  await bao.admin('POST', 'sys/mounts/database', { type: 'database' })
  await bao.admin('POST', 'database/config/main', {
    plugin_name: 'postgresql-database-plugin',
    allowed_roles: 'ci',
    connection_url: `postgresql://{{username}}:{{password}}@127.0.0.1:${postgres.port}/postgres?sslmode=disable`,
    username: postgres.administrator.user,
    password: postgres.administrator.password,
  })
  await bao.admin('POST', 'database/roles/ci', {
    db_name: 'main',
    creation_statements: `CREATE ROLE "{{name}}" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'`,
    default_ttl: '2m',
    max_ttl: '1h',
  })
}
