// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { postgresPrograms } from '../../scripts/servers/postgres.ts'
import { freePort, UnprivilegedServer, until } from './_unprivileged.ts'

export interface Account {
  readonly user: string
  readonly password: string
}

/** A real PostgreSQL, to which one gets with a password alone. */
export class Postgres implements AsyncDisposable {
  readonly port: number
  readonly administrator: Account = { user: 'admin', password: 'the-admin-password' }
  readonly #server: UnprivilegedServer
  readonly #programs: string

  private constructor(server: UnprivilegedServer, port: number, programs: string) {
    this.#server = server
    this.port = port
    this.#programs = programs
  }

  static async start(): Promise<Postgres> {
    const programs = postgresPrograms() ?? assert.fail('PostgreSQL is not there: run make test-servers')
    const server = new UnprivilegedServer('postgres')
    const postgres = new Postgres(server, await freePort(), programs)
    const data = server.file('data')
    const password = server.file('password')
    const { administrator } = postgres
    writeFileSync(password, administrator.password)
    const auth = ['--auth=scram-sha-256', `--pwfile=${password}`, `--username=${administrator.user}`]
    server.run(join(programs, 'initdb'), ['--pgdata', data, ...auth, '--no-sync', '--encoding=UTF8', '--locale=C'])
    const settings = [
      `port=${postgres.port}`,
      'listen_addresses=127.0.0.1',
      `unix_socket_directories=${server.directory}`,
      'fsync=off',
      // In its own directory: one that is killed would leave the host's /dev/shm fuller each time
      'dynamic_shared_memory_type=mmap',
    ]
    server.start(join(programs, 'postgres'), ['-D', data, ...settings.flatMap((setting) => ['-c', setting])])
    await until('PostgreSQL lets its administrator in', async () => postgres.letsIn(administrator))
    return postgres
  }

  letsIn(account: Account): boolean {
    return this.query(account, 'select 1') === '1'
  }

  /** Null: it was refused. */
  query({ user, password }: Account, sql: string): string | null {
    const args = ['--host=127.0.0.1', `--port=${this.port}`, `--username=${user}`, '--dbname=postgres', '--no-password', '-XAtc', sql]
    const { status, stdout } = spawnSync(join(this.#programs, 'psql'), args, { env: { PGPASSWORD: password }, encoding: 'utf8' })
    return status === 0 ? stdout.trim() : null
  }

  /** As with an outage: nobody gets in, and nobody is answered. */
  async stop(): Promise<void> {
    await this.#server.stop('SIGINT')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]()
  }
}
