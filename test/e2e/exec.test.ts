// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { assertNothingLeft } from '../_host.ts'
import { type Result, World, writeFiles } from '../_world.ts'

const world = new World()
after(() => world[Symbol.asyncDispose]())

function directoryWith(files: Readonly<Record<string, string>>): string {
  const directory = mkdtempSync(join(world.directory, 'exec-'))
  writeFiles(directory, files)
  return directory
}

const sh = (script: string, options: readonly string[] = [], cwd = world.directory): Promise<Result> =>
  world.run(['exec', ...options, '--', 'sh', '-c', script], { cwd })

describe('exec', () => {
  test('ends with the command’s own code, 128 + signal, or 125 when it could not start', async () => {
    const cwd = directoryWith({})
    for (const [script, code] of [
      ['exit 0', 0],
      ['exit 42', 42],
      ['exit 255', 255],
      ['kill -TERM $$', 143],
      ['kill -KILL $$', 137],
    ] as const) {
      assert.equal((await sh(script, [], cwd)).exitCode, code, script)
    }
    const missing = await world.exec(['no-such-program'], [], { cwd })
    assert.equal(missing.exitCode, 125)
    assert.deepEqual([missing.document.error?.code, missing.document.error?.exitCode], ['COMMAND_NOT_STARTED', 2])
    assert.match(missing.stderr, /no-such-program.*No such file or directory/)
    await assertNothingLeft(world)
  })

  test('passes stdout and arguments on byte for byte', async () => {
    const words = ['a b', '$HOME', '"', "'", '\\n', '*', 'é✓', '']
    const result = await world.run(['exec', '--', 'printf', '%s|', ...words], { cwd: directoryWith({}) })
    assert.equal(result.stdout, `${words.join('|')}|`)
  })

  test('works on a copy, keeps what --write names, and counts what it drops', async () => {
    const cwd = directoryWith({ 'src/a.txt': 'a', 'dist/old.txt': 'old', 'gone.txt': 'gone', 'run.sh': '#!/bin/sh\necho ran\n' })
    const script =
      './run.sh; echo b > src/a.txt; echo new > src/new.txt; rm gone.txt; mkdir -p dist/deep; echo kept > dist/deep/x; chmod 755 dist/deep/x; echo changed > dist/old.txt'
    const plain = await world.exec(['sh', '-c', script], [], { cwd })
    assert.equal(plain.exitCode, 0, plain.stderr)
    assert.deepEqual([plain.document.kept, plain.document.dropped], [0, 5])
    assert.equal(readFileSync(join(cwd, 'dist/old.txt'), 'utf8'), 'old')
    const kept = await world.exec(['sh', '-c', script], ['--write', 'dist'], { cwd })
    assert.deepEqual([kept.document.kept, kept.document.dropped], [2, 3], kept.stderr)
    assert.equal(readFileSync(join(cwd, 'dist/old.txt'), 'utf8'), 'changed\n')
    assert.equal(readFileSync(join(cwd, 'dist/deep/x'), 'utf8'), 'kept\n')
    assert.equal(lstatSync(join(cwd, 'dist/deep/x')).mode & 0o777, 0o755)
    assert.equal(readFileSync(join(cwd, 'src/a.txt'), 'utf8'), 'a')
    assert.equal(existsSync(join(cwd, 'gone.txt')), true)
  })

  test('keeps no link, no special file, nothing of .git, and follows no link that the command planted', async () => {
    const outside = directoryWith({ 'target.txt': 'untouched' })
    const cwd = directoryWith({ 'out/keep': '', 'real/keep': '' })
    mkdirSync(join(cwd, '.git'))
    symlinkSync(outside, join(cwd, 'out/link'))
    const result = await world.exec(
      [
        'sh',
        '-c',
        `mkfifo out/fifo; ln -s /etc/passwd out/passwd; ln -s ../../.. out/up; mkdir -p out/.git/hooks sub/.git; echo x > out/.git/hooks/post-checkout
         echo x > sub/.git/config; echo x > .git/config; rm out/link; mkdir out/link; echo owned > out/link/target.txt; echo fine > out/fine; chmod 4755 out/fine`,
      ],
      ['--write', '.'],
      { cwd },
    )
    assert.equal(readFileSync(join(outside, 'target.txt'), 'utf8'), 'untouched')
    assert.deepEqual(readdirSync(join(cwd, '.git')), [])
    assert.equal(existsSync(join(cwd, 'out/.git')), false)
    assert.equal(existsSync(join(cwd, 'sub')), false)
    for (const name of ['fifo', 'passwd', 'up']) assert.equal(existsSync(join(cwd, 'out', name)), false, name)
    // What stands in the way on the host is an error that says so; what was kept before it has no special mode.
    assert.equal(result.exitCode, 125)
    assert.equal(result.document.error?.code, 'WRITE_REFUSED')
    if (existsSync(join(cwd, 'out/fine'))) assert.equal(lstatSync(join(cwd, 'out/fine')).mode & 0o7777, 0o755)
    for (const path of ['../x', '/etc', '.git', '.git/hooks']) {
      const refused = await world.run(['exec', '--write', path, '--', 'true'], { cwd })
      assert.equal(refused.exitCode, 125, path)
    }
  })

  test('copies hostile and odd names both ways', async () => {
    const cwd = directoryWith({
      'new\nline': 'n',
      ' lead and trail ': 's',
      '-rf': 'd',
      '$(touch owned)': 'c',
      '\u202eevil': 'u',
      [`${'l'.repeat(250)}`]: 'long',
    })
    execFileSync('mkfifo', [join(cwd, 'fifo')])
    symlinkSync('/nonexistent', join(cwd, 'broken'))
    const script =
      'ls -1A | wc -l; cat "$(printf "new\\nline")" -- -rf; mkdir out; printf x > "out/$(printf "a\\nb\\tc")"; printf y > "$(printf "out/\\377")"; printf z > "out/\\033[2J"'
    const result = await world.exec(['bash', '-c', script], ['--write', 'out'], { cwd })
    assert.equal(result.exitCode, 0, result.stderr)
    assert.equal(readFileSync(join(cwd, 'out/a\nb\tc'), 'utf8'), 'x')
    assert.equal(existsSync(join(cwd, 'owned')), false)
    assert.doesNotMatch(result.stdout + result.stderr, /\x1b/)
    assert.equal(readdirSync(join(cwd, 'out')).length >= 2, true)
  })

  test('names a file that cannot be copied because its name is no text', async () => {
    const cwd = directoryWith({})
    writeFileSync(Buffer.concat([Buffer.from(`${cwd}/`), Buffer.from([0xff, 0xfe])]), 'no UTF-8')
    const result = await world.exec(['true'], [], { cwd })
    assert.equal(result.exitCode, 125)
    assert.deepEqual([result.document.error?.code, result.document.error?.exitCode], ['REPOSITORY_UNREADABLE', 2])
    assert.match(result.stderr, /UTF-8/)
    await assertNothingLeft(world)
  })

  test('lets its limits be set, and names the one that was hit', async () => {
    const cwd = directoryWith({})
    const memory = await world.exec(['python3', '-c', 'b = bytearray(300 << 20)'], ['--limit', 'memory=64MiB'], { cwd })
    assert.equal(memory.exitCode, 137, memory.stderr)
    assert.match(memory.stderr, /memory limit/)
    const pids = await world.exec(['dash', '-c', 'for i in $(seq 100); do sleep 1000 & done'], ['--limit', 'pids=20'], { cwd })
    assert.match(pids.stderr, /pids limit/)
    const time = await world.exec(['sleep', '1000'], ['--limit', 'time=1s'], { cwd })
    assert.equal(time.exitCode, 125)
    assert.equal(time.document.error?.code, 'TIME_LIMIT')
    const output = await world.exec(['sh', '-c', 'yes | head -c 100000; sleep 1000'], ['--limit', 'output=10000B'], { cwd })
    assert.equal(output.document.error?.code, 'OUTPUT_LIMIT', output.stderr)
    await assertNothingLeft(world)
  })
})

describe('the sandbox', () => {
  test('has a sudo that stays its own root', async () => {
    const result = await sh(
      'sudo id -u; sudo -n cat /proc/self/uid_map | awk "{print (\\$2 > 1000000)}"; sudo mount -t tmpfs none /mnt 2>/dev/null || echo no mount',
      [],
      directoryWith({}),
    )
    assert.equal(result.stdout, '0\n1\nno mount\n', result.stderr)
  })

  test('installs a Debian package, which works and vanishes', async () => {
    const script = `
      set -e
      mkdir -p p/DEBIAN p/usr/bin p/etc
      printf 'Package: sallyport-probe\\nVersion: 1\\nArchitecture: all\\nMaintainer: Tester <t@example.test>\\nDescription: probe\\n' > p/DEBIAN/control
      printf '#!/bin/sh\\necho post > /etc/probe-post\\n' > p/DEBIAN/postinst; chmod 755 p/DEBIAN/postinst
      printf '#!/bin/sh\\necho probe ran\\n' > p/usr/bin/sallyport-probe; chmod 755 p/usr/bin/sallyport-probe
      dpkg-deb --build p probe.deb >/dev/null
      sudo apt-get install -y --no-install-recommends ./probe.deb >/tmp/apt.log 2>&1 || { cat /tmp/apt.log; exit 1; }
      sallyport-probe; cat /etc/probe-post; dpkg-query -W -f '\${Status}\\n' sallyport-probe`
    const result = await sh(script, [], directoryWith({}))
    assert.equal(result.exitCode, 0, result.stdout + result.stderr)
    assert.equal(result.stdout, 'probe ran\npost\ninstall ok installed\n')
    for (const path of ['/usr/bin/sallyport-probe', '/etc/probe-post']) assert.equal(existsSync(path), false)
    const again = await sh('command -v sallyport-probe || echo vanished', [], directoryWith({}))
    assert.equal(again.stdout, 'vanished\n')
  })
})

describe('exec --deliver', () => {
  const env = { KEY: 'first line of a key\nsecond line\n', TOKEN: 'token-8391-4417' }
  const given = ['--secret', 'KEY', '--secret', 'TOKEN']

  test('gives the command a file or a descriptor, and the path of it instead of the value', async () => {
    const script = `stat -c '%a %s' -- "$KEY" && cat "$TOKEN" | wc -c && echo "$KEY $TOKEN"
      ! env | grep -e 'line of' -e 8391 && grep -c . "$KEY" && echo "it is $(cat "$TOKEN")"`
    const options = [...given, '--deliver', 'KEY=file', '--deliver', 'TOKEN=fd']
    const { stdout, stderr, exitCode } = await world.run(['exec', ...options, '--', 'bash', '-c', script], { env, cwd: directoryWith({}) })
    assert.equal(exitCode, 0, stdout + stderr)
    assert.match(stdout, /^400 32\n15\n\/run\/sallyport\/step\/secret-KEY \/dev\/fd\/\d+\n2\nit is \*\*\*\n$/)
  })

  test('leaves what it does not name in the environment', async () => {
    const options = [...given, '--deliver', 'KEY=fd']
    const script = 'test "$TOKEN" = token-8391-4417 && test "$(cat "$KEY" | head -n 1)" = "first line of a key"'
    const { stderr, exitCode } = await world.run(['exec', ...options, '--', 'sh', '-c', script], { env, cwd: directoryWith({}) })
    assert.equal(exitCode, 0, stderr)
  })
})
