// SPDX-License-Identifier: Apache-2.0
// Where else the same entries could be kept, with the same durability: one fsync (or more) for each batch.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chownSync, closeSync, fdatasyncSync, globSync, mkdirSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/** How long it takes, or why it cannot be done here. */
export type Timed = { readonly ms: number } | { readonly missing: string }

export type Batches = readonly (readonly Uint8Array[])[]

export interface LogPeer {
  readonly name: string
  readonly note: string
  write(directory: string, batches: Batches): Timed
}

export const logPeers: readonly LogPeer[] = [
  { name: 'SQLite', note: 'WAL, synchronous=FULL, a transaction for each batch; no hash at all', write: writeSqlite },
  { name: 'a plain hash chain', note: 'a line and a hash for each entry, one write and fdatasync for each batch', write: writeChain },
  { name: 'PostgreSQL', note: 'fsync on, one INSERT and COMMIT for each batch, over psql; no hash at all', write: writePostgres },
]

function writeSqlite(directory: string, batches: Batches): Timed {
  const database = new DatabaseSync(join(directory, 'log.sqlite'))
  try {
    database.exec('PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE log (id INTEGER PRIMARY KEY, entry BLOB NOT NULL)')
    const insert = database.prepare('INSERT INTO log (entry) VALUES (?)')
    return timed(() => {
      for (const batch of batches) {
        database.exec('BEGIN')
        for (const entry of batch) insert.run(entry)
        database.exec('COMMIT')
      }
    })
  } finally {
    database.close()
  }
}

function writeChain(directory: string, batches: Batches): Timed {
  const file = openSync(join(directory, 'chain'), 'wx')
  try {
    let previous: Buffer = Buffer.alloc(32)
    return timed(() => {
      for (const batch of batches) {
        const lines: Buffer[] = []
        for (const entry of batch) {
          previous = createHash('sha256').update(previous).update(entry).digest()
          lines.push(Buffer.from(previous.toString('hex')), Buffer.from(' '), Buffer.from(entry), Buffer.from('\n'))
        }
        writeAll(file, Buffer.concat(lines))
        fdatasyncSync(file)
      }
    })
  } finally {
    closeSync(file)
  }
}

function writeAll(file: number, bytes: Buffer): void {
  for (let done = 0; done < bytes.byteLength; ) done += writeSync(file, bytes, done)
}

/** A server of its own, on a socket in the directory, as a user that is not root: it refuses to be. */
function writePostgres(directory: string, batches: Batches): Timed {
  const [bin] = globSync('/usr/lib/postgresql/*/bin').toSorted().toReversed()
  if (bin === undefined) return { missing: 'not installed (package postgresql)' }
  const home = join(directory, 'postgres')
  mkdirSync(home, { mode: 0o700 })
  const user = ownUser(home)
  const run = (argv: readonly string[]): void => {
    const [program = '', ...args] = [...user, ...argv]
    const { status, stderr, error } = spawnSync(program, args, {
      cwd: home,
      encoding: 'utf8',
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: 120_000,
    })
    if (status !== 0) throw new Error(`${argv[0]}: ${error?.message ?? stderr}`.slice(0, 300))
  }
  const statements = join(directory, 'insert.sql')
  writeFileSync(statements, batches.map(insertStatement).join(''))
  const psql = [join(bin, 'psql'), '-qX', '-v', 'ON_ERROR_STOP=1', '-h', home, '-d', 'postgres']
  const server = [join(bin, 'pg_ctl'), '-s', '-w', '-D', join(home, 'data'), '-l', join(home, 'words')]
  try {
    run([join(bin, 'initdb'), '-A', 'trust', '-E', 'UTF8', '-D', join(home, 'data')])
    run([...server, '-o', `-k ${home} -h ''`, 'start'])
    try {
      run([...psql, '-c', 'CREATE TABLE log (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, entry text NOT NULL)'])
      return timed(() => run([...psql, '-f', statements]))
    } finally {
      run([...server, '-m', 'fast', 'stop'])
    }
  } catch (error) {
    return { missing: `it fails here: ${(error as Error).message}` }
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}

/** As root: the user that Debian's package made, or nobody. */
function ownUser(home: string): readonly string[] {
  if (process.getuid?.() !== 0) return []
  const idOf = (flag: string, name: string): number => Number.parseInt(spawnSync('id', [flag, name], { encoding: 'utf8' }).stdout, 10)
  const name = Number.isNaN(idOf('-u', 'postgres')) ? 'nobody' : 'postgres'
  const [uid, gid] = [idOf('-u', name), idOf('-g', name)]
  chownSync(home, uid, gid)
  return ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups']
}

/** The entries are our own, and hold no quote. */
function insertStatement(batch: readonly Uint8Array[]): string {
  return `INSERT INTO log (entry) VALUES ${batch.map((entry) => `('${Buffer.from(entry).toString()}')`).join(',')};\n`
}

function timed(work: () => void): Timed {
  const startedMs = performance.now()
  work()
  return { ms: performance.now() - startedMs }
}
