// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { buildHelper, type Finished, run, scratchDirectory } from './_helper.ts'

const directory = scratchDirectory()
const program = join(directory, 'sudo')
symlinkSync(buildHelper(), program)

const environment = { PATH: '/usr/bin:/bin', HOME: '/somewhere', USER: 'runner', SHELL: '/bin/sh' }

function sudo(...args: string[]): Finished {
  return run(program, args, { env: environment, cwd: directory })
}

function output(...args: string[]): string {
  const done = sudo(...args)
  assert.equal(done.status, 0, done.stderr)
  return done.stdout.toString()
}

test('the command runs with its arguments, its exit code and its environment', () => {
  assert.equal(output('printf', '%s|', 'a b', '', '-n'), 'a b||-n|')
  assert.equal(sudo('sh', '-c', 'exit 7').status, 7)
  assert.equal(output('sh', '-c', 'echo $HOME $USER'), '/somewhere runner\n')
})

test('flags that build scripts use are understood, alone, together and as long options', () => {
  for (const flags of [
    ['-n'],
    ['-E'],
    ['-nE'],
    ['-H'],
    ['-S'],
    ['-k'],
    ['-nuroot'],
    ['-u', 'root'],
    ['-u', '#0'],
    ['-p', 'Password: '],
    ['--'],
    ['-n', '--'],
  ]) {
    assert.equal(output(...flags, 'echo', 'ran'), 'ran\n', flags.join(' '))
  }
  for (const flags of [
    ['--preserve-env'],
    ['--preserve-env=A,B'],
    ['--non-interactive'],
    ['--user=root'],
    ['--user', 'root'],
    ['--group=root'],
  ]) {
    assert.equal(output(...flags, 'echo', 'ran'), 'ran\n', flags.join(' '))
  }
})

test('flags end at the command and at --', () => {
  assert.equal(output('echo', '-n', '-u'), '-u')
  assert.equal(sudo('--', '-u', 'x').status, 1)
})

test('variables before the command are set for it', () => {
  assert.equal(output('-E', 'A=1', 'B=x=y', 'sh', '-c', 'echo $A $B'), '1 x=y\n')
})

test('-H and -i take the home directory of /etc/passwd', () => {
  assert.equal(output('-H', 'sh', '-c', 'echo $HOME'), '/root\n')
  assert.equal(output('-i', 'pwd'), '/root\n')
})

test('-u becomes the user of /etc/passwd, with its group and no other one', () => {
  assert.equal(output('-u', 'nobody', 'id'), 'uid=65534(nobody) gid=65534(nogroup) groups=65534(nogroup)\n')
  assert.equal(output('-u', '#1234', 'id', '-u'), '1234\n')
  assert.equal(output('-u', 'nobody', '-g', 'daemon', 'id', '-gn'), 'daemon\n')
  assert.equal(sudo('-u', 'nobody', program, 'id').status, 1)
})

test('-s and -i hand each argument to the shell as it was', () => {
  const odd = ['a b', "'", '"', '$HOME', '`id`', ';', '*', '', 'new\nline', '\\', 'ü', '#']
  for (const flag of ['-s', '-i']) assert.equal(output(flag, 'printf', '%s|', ...odd), `${odd.join('|')}|`)
})

test('-l, -v and -k alone succeed', () => {
  assert.match(output('-l'), /root of this sandbox/)
  assert.deepEqual([output('-v'), output('-k'), output('-nv')], ['', '', ''])
})

for (const args of [
  ['-b', 'id'],
  ['-e', '/etc/hosts'],
  ['--host=x', 'id'],
  ['--login=x', 'id'],
  ['-u'],
  ['-u', 'no-such-user', 'id'],
  ['-u', '#99999999', 'id'],
  ['-g', 'no-such-group', 'id'],
  ['no-such-command'],
  ['-D', '/no-such-directory', 'id'],
  [],
]) {
  test(`"sudo ${args.join(' ')}" is refused with a message and exit code 1`, () => {
    const done = sudo(...args)
    assert.deepEqual([done.status, done.stdout.toString()], [1, ''])
    assert.match(done.stderr, /^sudo \(sallyport\): .+\n$/)
  })
}
