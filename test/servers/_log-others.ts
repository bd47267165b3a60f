// SPDX-License-Identifier: Apache-2.0
// Witnesses, clients and verifiers of logs that other people wrote (others/), as processes.
import assert from 'node:assert/strict'
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { createHash, createPublicKey, generateKeyPairSync } from 'node:crypto'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { formatVerifierKey, SIGNATURE_TYPE, type VerifierKey, verifierKeyOf } from '@sallyport/audit-log'
import { type LogProgram, logProgram } from '../../scripts/servers/log-others.ts'
import { freePort, until } from './_unprivileged.ts'

export interface OthersResult {
  readonly code: number
  readonly output: string
}

/** What `others` says to a command of its own; see others/main.go. */
export function runOthers(...words: readonly string[]): Promise<OthersResult> {
  return new Promise((resolve, reject) => {
    execFile(programOf('others'), words, { encoding: 'utf8' }, (error, stdout, stderr) => {
      const code = error === null ? 0 : error.code
      if (typeof code === 'number') resolve({ code, output: `${stdout}${stderr}` })
      else reject(error)
    })
  })
}

function programOf(name: LogProgram): string {
  const program = logProgram(name)
  assert.ok(program !== null, `${name} is not there: make test-servers builds it`)
  return program
}

/** A running witness that is not ours. */
export class OtherWitness implements AsyncDisposable {
  readonly url: string
  readonly verifierKey: string
  readonly #processes: readonly ChildProcess[]

  private constructor(url: string, key: VerifierKey, processes: readonly ChildProcess[]) {
    this.url = url
    this.verifierKey = formatVerifierKey(key)
    this.#processes = processes
  }

  /** Torchwood's. Its key lies with an ssh-agent, its logs in an SQLite database, which its own tool would fill. */
  static async litewitness(directory: string, log: VerifierKey): Promise<OtherWitness> {
    mkdirSync(directory, { recursive: true })
    const at = (name: string): string => join(directory, name)
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'witness', '-f', at('id')])
    const [, encoded = ''] = execFileSync('ssh-keygen', ['-y', '-f', at('id')], { encoding: 'utf8' }).split(' ')
    const [, fingerprint = ''] = execFileSync('ssh-keygen', ['-l', '-f', at('id')], { encoding: 'utf8' }).split(' ')
    const agent = spawn('ssh-agent', ['-D', '-a', at('agent')], { stdio: 'ignore' })
    await until('ssh-agent listens', async () => existsSync(at('agent')), 600)
    execFileSync('ssh-add', ['-q', at('id')], { env: { ...process.env, SSH_AUTH_SOCK: at('agent') }, stdio: 'ignore' })
    const port = await freePort()
    const name = 'witness.example.test/lite'
    const words = ['-name', name, '-db', at('witness.db'), '-ssh-agent', at('agent'), '-listen', `127.0.0.1:${port}`, '-key', fingerprint]
    const witness = spawn(programOf('litewitness'), words, { stdio: ['ignore', 'ignore', 'inherit'] })
    const url = `http://127.0.0.1:${port}`
    await untilAnswers(url)
    knowLog(at('witness.db'), log)
    return new OtherWitness(url, rawVerifierKey(name, Buffer.from(encoded, 'base64').subarray(-32)), [witness, agent])
  }

  /** That of transparency-dev. */
  static async omniwitness(directory: string, log: VerifierKey): Promise<OtherWitness> {
    mkdirSync(directory, { recursive: true })
    const { privateKey } = generateKeyPairSync('ed25519')
    const key = verifierKeyOf('witness.example.test/omni', SIGNATURE_TYPE.cosignature, privateKey)
    const seed = Buffer.from(privateKey.export({ format: 'jwk' }).d ?? '', 'base64url')
    const keyPath = join(directory, 'key')
    const secret = Buffer.concat([Buffer.from([SIGNATURE_TYPE.ed25519]), seed]).toString('base64')
    writeFileSync(keyPath, `PRIVATE+KEY+${key.name}+${key.keyId.toString(16).padStart(8, '0')}+${secret}`)
    const logsPath = join(directory, 'logs.yaml')
    writeFileSync(logsPath, `Logs:\n  - Origin: ${log.name}\n    PublicKey: ${formatVerifierKey(log)}\n`)
    const port = await freePort()
    const storage = ['-db_file', join(directory, 'witness.db'), '-additional_logs', logsPath]
    const words = ['-listen', `127.0.0.1:${port}`, '-metrics_listen', '', '-private_key_path', keyPath, ...storage]
    const witness = spawn(programOf('omniwitness'), words, { stdio: ['ignore', 'ignore', 'inherit'] })
    const url = `http://127.0.0.1:${port}`
    await untilAnswers(url)
    return new OtherWitness(url, key, [witness])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const running of this.#processes) {
      const ended = new Promise((resolve) => running.once('exit', resolve))
      if (running.exitCode === null && running.signalCode === null && running.kill('SIGKILL')) await ended
    }
  }
}

function rawVerifierKey(name: string, publicKey: Uint8Array): VerifierKey {
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(publicKey).toString('base64url') }
  return verifierKeyOf(name, SIGNATURE_TYPE.cosignature, createPublicKey({ key: jwk, format: 'jwk' }))
}

function knowLog(path: string, log: VerifierKey): void {
  const database = new DatabaseSync(path)
  const emptyTree = createHash('sha256').digest('base64')
  database.prepare('INSERT INTO log (origin, tree_size, tree_hash) VALUES (?, 0, ?)').run(log.name, emptyTree)
  database.prepare('INSERT INTO key (origin, key) VALUES (?, ?)').run(log.name, formatVerifierKey(log))
  database.close()
}

/** Whatever it says to a request that is none. */
async function untilAnswers(url: string): Promise<void> {
  await until(
    `${url} answers`,
    () =>
      fetch(`${url}/add-checkpoint`, { method: 'POST', body: 'none' }).then(
        () => true,
        () => false,
      ),
    600,
  )
}
